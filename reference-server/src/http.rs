//! The HTTP routes beside the WebSocket.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use serde_json::{Value, json};

use crate::{
    answer,
    gate::Line,
    metrics, page, process,
    protocol::{Reason, TurnRequest, iso_timestamp},
    shared::Shared,
    ws,
};

/// The body of a request for TURN credentials, in bytes.
const TURN_BODY_BYTES_MAX: usize = 4_096;
/// How long it may take to come in.
const TURN_BODY_WAIT: Duration = Duration::from_secs(10);

/// All routes of a server.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/ws", any(ws::upgrade))
        .route("/ws/", any(ws::upgrade))
        .route("/health", get(health))
        .route("/api/rooms", get(rooms))
        .route("/api/config", get(config))
        .route("/api/env", get(env))
        .route("/metrics", get(metrics_text))
        .route(
            "/api/turn-credentials",
            post(turn_credentials).options(turn_preflight),
        )
        .merge(page::routes())
        .fallback(no_such_route)
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
        .or_else(|| host.map(|host| format!("{}://{host}/ws/", shared.config.scheme())))
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> Response {
    let uptime_seconds = shared.now().since_start.as_secs_f64();
    let text = metrics::text(
        &shared.stats(),
        uptime_seconds,
        process::resident_bytes(),
        process::cpu_seconds(),
    );
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// Credentials for a TURN server, to pages of the allowed origins.
async fn turn_credentials(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let allow_origins = &shared.config.allow_origins;
    if let Err(foreign) = allow_origins.check(&headers) {
        if let Some(suppressed) = shared.may_log(Line::Credentials) {
            tracing::warn!(why = "origin", suppressed, "no TURN credentials for a client");
        }
        return foreign.into();
    }
    let cors = [
        (
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            allow_origins.allowed(&headers),
        ),
        (header::VARY, HeaderValue::from_static("origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let answer = match &shared.config.turn {
        Some(turn) => match asked_for(request).await {
            Ok(TurnRequest { name }) => {
                shared.count(|stats| stats.turn_credentials += 1);
                Json(turn.credentials(&name, shared.now().unix_ms)).into_response()
            }
            Err(refused) => refused,
        },
        None => answer::error(
            StatusCode::NOT_FOUND,
            "turn-credentials-off",
            "this server has no TURN secret and gives out no credentials",
        ),
    };
    (cors, answer).into_response()
}

async fn asked_for(request: Request) -> Result<TurnRequest, Response> {
    let reading = axum::body::to_bytes(request.into_body(), TURN_BODY_BYTES_MAX);
    let body = match tokio::time::timeout(TURN_BODY_WAIT, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let message = format!("the body is longer than {TURN_BODY_BYTES_MAX} bytes, or broke off");
            return Err(answer::error(StatusCode::PAYLOAD_TOO_LARGE, "too-big", &message));
        }
        Err(_) => {
            let message = "the body did not come in time";
            return Err(answer::error(StatusCode::REQUEST_TIMEOUT, "too-slow", message));
        }
    };
    TurnRequest::read(&body)
        .map_err(|error| answer::error(StatusCode::BAD_REQUEST, "invalid-message", &error.to_string()))
}

/// What a browser asks before it lets a page post JSON to another origin.
async fn turn_preflight(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let allow_origins = &shared.config.allow_origins;
    if let Err(foreign) = allow_origins.check(&headers) {
        return foreign.into();
    }
    let cors = [
        (
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            allow_origins.allowed(&headers),
        ),
        (header::VARY, HeaderValue::from_static("origin")),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("POST"),
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("content-type"),
        ),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
    ];
    (StatusCode::NO_CONTENT, cors).into_response()
}

async fn no_such_route() -> Response {
    answer::error(
        StatusCode::NOT_FOUND,
        "not-found",
        "this server has no such route",
    )
}

/// Pages of other origins may read it, as in the deployment.
fn open_to_all(body: Value) -> Response {
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(body)).into_response()
}
