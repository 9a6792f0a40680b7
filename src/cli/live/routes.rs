use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response,
        sse::{KeepAlive, Sse},
    },
    routing::get,
};
use tokio::sync::watch;

use super::{
    address::LiveAddress,
    board::Board,
    events::{self, HEARTBEAT, Readers},
    page,
    view::View,
};
use crate::report::{json, prometheus};

/// What a browser may do with the page: show it, with its own scripts, and ask this server. Charts bring their own
/// colours along as styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HTML: &str = "text/html; charset=utf-8";

/// What all requests need.
#[derive(Clone)]
pub(super) struct Served {
    pub address: LiveAddress,
    pub board: Arc<Board>,
    pub views: watch::Receiver<Option<Arc<View>>>,
    pub readers: Readers,
}

pub(super) fn router(served: Served) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/page.js", get(script))
        .route("/style.css", get(style))
        .route("/events", get(stream))
        .route("/metrics", get(metrics))
        .route("/report.json", get(report))
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(served.clone(), guarded))
        .with_state(served)
}

/// Lets nobody in by a name that is not ours, and puts the headers on that keep a page to itself.
async fn guarded(State(served): State<Served>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut response = match served.address.answers_to(host) {
        true => next.run(request).await,
        false => {
            let said = "This page answers to its address alone: open it by that, or name the host in `--live HOST:PORT`.\n";
            (StatusCode::FORBIDDEN, said).into_response()
        }
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn index(State(served): State<Served>) -> Response {
    let page = page::page(served.board.view().as_deref());
    ([(header::CONTENT_TYPE, HTML)], page).into_response()
}

async fn script() -> Response {
    let kind = "text/javascript; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], page::SCRIPT).into_response()
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], page::style()).into_response()
}

async fn stream(State(served): State<Served>, headers: HeaderMap) -> Response {
    let Some(reader) = served.readers.admit() else {
        let wait = [(header::RETRY_AFTER, "10")];
        let said = "Too many pages are open on this run.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, wait, said).into_response();
    };
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let seen = seen.and_then(|id| id.parse().ok());
    Sse::new(events::stream(served.views, reader, seen))
        .keep_alive(KeepAlive::new().interval(HEARTBEAT).text("still here"))
        .into_response()
}

async fn metrics(State(served): State<Served>, headers: HeaderMap) -> Response {
    let accepts = headers.get_all(header::ACCEPT).iter();
    let accepts: Vec<_> = accepts.filter_map(|accept| accept.to_str().ok()).collect();
    let view = served.board.view();
    if prometheus::wants_protobuf(&accepts.join(",")) {
        let told = view.map(|view| view.protobuf()).unwrap_or_default();
        return ([(header::CONTENT_TYPE, prometheus::PROTOBUF)], told).into_response();
    }
    let told = view.map(|view| view.text().to_owned()).unwrap_or_default();
    ([(header::CONTENT_TYPE, prometheus::TEXT)], told).into_response()
}

async fn report(State(served): State<Served>) -> Response {
    let view = served.board.view();
    let Some(report) = view.as_ref().and_then(|view| view.report()) else {
        let said = "Nothing has begun.\n";
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "1")],
            said,
        )
            .into_response();
    };
    (
        [(header::CONTENT_TYPE, "application/json")],
        json::summary(report),
    )
        .into_response()
}

async fn nothing_here() -> Response {
    let said = "There are / (the page), /events, /metrics and /report.json.\n";
    (StatusCode::NOT_FOUND, said).into_response()
}
