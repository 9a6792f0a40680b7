//! The HTTP routes beside the WebSocket.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::{Value, json};

use crate::{
    protocol::{Reason, iso_timestamp},
    shared::Shared,
    ws,
};

/// All routes of a server.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/ws", any(ws::upgrade))
        .route("/ws/", any(ws::upgrade))
        .route("/health", get(health))
        .route("/api/rooms", get(rooms))
        .route("/api/config", get(config))
        .route("/api/env", get(env))
        .layer(middleware::from_fn_with_state(shared.clone(), when_unpaused))
        .with_state(shared)
}

/// A server that is paused answers nobody.
async fn when_unpaused(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    shared.flow.watch().unpaused().await;
    next.run(request).await
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let (now, stats) = (shared.now(), shared.stats());
    open_to_all(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "relayMode": shared.config.hub.relay_mode.as_str(),
        "uptime": now.since_start.as_secs_f64(),
        "timestamp": iso_timestamp(now.unix_ms),
        "websocket": {"connected_clients": stats.hub.clients},
        "rooms": {"total": stats.hub.rooms},
        "frames": {
            "in": stats.hub.frames_in,
            "out": stats.hub.frames_out,
            "refused": stats.hub.refused.total(),
            "rate_limited": stats.hub.refused.with(Reason::RateLimited),
        },
        "slow_clients": stats.slow_clients,
    }))
}

async fn rooms(State(shared): State<Arc<Shared>>) -> Response {
    let timestamp = iso_timestamp(shared.now().unix_ms);
    open_to_all(shared.read(|hub| {
        let rooms = hub.room_list();
        json!({"total": rooms.len(), "rooms": rooms, "timestamp": timestamp})
    }))
}

async fn config(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let stun: Vec<_> = shared
        .config
        .stun_servers
        .iter()
        .map(|url| json!({"urls": url}))
        .collect();
    open_to_all(json!({
        "WEBSOCKET_URL": websocket_url(&shared, &headers),
        "STUN_SERVERS": if stun.is_empty() { Value::Null } else { stun.into() },
    }))
}

async fn env(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    open_to_all(json!({
        "WEBSOCKET_URL": websocket_url(&shared, &headers),
        "STUN_SERVERS": shared.config.stun_servers.join(","),
        "RELAY_MODE": shared.config.hub.relay_mode.as_str(),
    }))
}

fn websocket_url(shared: &Shared, headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    shared
        .config
        .websocket_url
        .clone()
        .or_else(|| host.map(|host| format!("ws://{host}/ws/")))
}

/// Pages of other origins may read it, as in the deployment.
fn open_to_all(body: Value) -> Response {
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(body)).into_response()
}
