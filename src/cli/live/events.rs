//! The stream of a page: `head` and `charts` whenever they have changed, `over` in the end.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::response::sse::Event;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::watch;

use super::view::View;

/// More pages are not told anything.
const MAX_READERS: usize = 16;
/// How long a page waits before it asks again.
pub(super) const RETRY: Duration = Duration::from_secs(2);
/// Between two signs of life, if there is nothing to tell.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);

/// How many pages read the stream.
#[derive(Clone, Default)]
pub(super) struct Readers(Arc<AtomicUsize>);

/// A page that reads, until it is dropped.
pub(super) struct Reader(Readers);

impl Readers {
    /// One more, if there is room.
    pub fn admit(&self) -> Option<Reader> {
        let more = |readers: usize| (readers < MAX_READERS).then_some(readers + 1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()
            .map(|_| Reader(self.clone()))
    }

    pub fn are_there(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a page is told that has seen view `seen` last. Who reads slowly misses what lies between: nothing waits for
/// it but the newest.
pub(super) fn stream(
    views: watch::Receiver<Option<Arc<View>>>,
    reader: Reader,
    seen: Option<u64>,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    let mut first = views;
    first.mark_changed();
    stream::unfold(Some((first, reader)), move |reading| async move {
        let (mut views, reader) = reading?;
        loop {
            views.changed().await.ok()?;
            let view = views.borrow_and_update().clone();
            let Some(view) = view.filter(|view| seen != Some(view.number) || view.is_over()) else {
                continue;
            };
            let over = view.is_over();
            let told = stream::iter(told(&view).map(Ok));
            return Some((told, (!over).then_some((views, reader))));
        }
    })
    .flatten()
}

fn told(view: &View) -> impl Iterator<Item = Event> + Send + use<> {
    let id = view.number.to_string();
    let head = serde_json::to_string(&view.head).expect("texts are JSON");
    let mut told = vec![
        Event::default().event("head").data(&head).retry(RETRY),
        // Its id stands for both: a page that lost the connection between them has to see both again.
        Event::default().event("charts").id(id).data(view.charts()),
    ];
    if view.is_over() {
        told.push(Event::default().event("over").data(&head));
    }
    told.into_iter()
}
