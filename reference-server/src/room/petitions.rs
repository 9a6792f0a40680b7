use std::collections::BTreeMap;

use super::ClientId;
use crate::protocol::{RoomId, limits::PETITIONS_MAX};

/// Who waits outside a room to be let in, by the id of the request.
#[derive(Debug, Default)]
pub(super) struct Petitions(BTreeMap<(RoomId, String), ClientId>);

impl Petitions {
    /// Whether there was room for one more. The same request asked again belongs to who asked last.
    pub(super) fn ask(&mut self, room: RoomId, request: String, client: ClientId) -> bool {
        let key = (room, request);
        if self.0.len() >= PETITIONS_MAX && !self.0.contains_key(&key) {
            return false;
        }
        self.0.insert(key, client);
        true
    }

    /// Who asked; the request is answered with that.
    pub(super) fn answer(&mut self, room: &RoomId, request: &str) -> Option<ClientId> {
        self.0.remove(&(room.clone(), request.into()))
    }

    pub(super) fn forget(&mut self, client: ClientId) {
        self.0.retain(|_, asked| *asked != client);
    }

    pub(super) fn forget_room(&mut self, room: &RoomId) {
        self.0.retain(|(asked, _), _| asked != room);
    }
}
