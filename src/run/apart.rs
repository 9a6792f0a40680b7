use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use super::EventSink;
use crate::{
    base::PeerId,
    metrics::{EventKind, LimitOf},
    plan::NoPath,
};

/// Links that are told to have no path.
const MAX_NO_PATHS: usize = 100_000;

/// Tells which links can't be, each once.
#[derive(Debug, Default)]
pub(super) struct Apart {
    told: Mutex<BTreeSet<(PeerId, PeerId)>>,
}

impl Apart {
    /// These can't, from now on. The lower id comes first.
    pub async fn tell(&self, sink: &EventSink, pairs: impl Iterator<Item = (PeerId, PeerId, NoPath)>) {
        for (peer, remote, why) in pairs {
            let known = {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.contains(&(peer, remote)) {
                    continue;
                }
                told.insert((peer, remote));
                told.len()
            };
            if known > MAX_NO_PATHS {
                // One more than there may be is kept, so this is said once.
                if known == MAX_NO_PATHS + 1 {
                    let limit = format!("more than {MAX_NO_PATHS} links without a path");
                    let of = LimitOf::Harness;
                    sink.tell(None, None, EventKind::LimitHit { limit, of }).await;
                }
                return;
            }
            let reason = why.to_string();
            sink.tell(Some(peer), Some(remote), EventKind::NoPath { reason })
                .await;
        }
    }
}
