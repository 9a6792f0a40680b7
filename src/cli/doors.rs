//! Where people and other clients join a run's rooms, if its scenario waits for such.

use super::place::Place;
use crate::{base::RoomId, plan::Plan};

/// Rooms that are told one by one.
const ROOMS_MAX: usize = 10;

/// The rooms of a plan that members from outside are waited for in.
fn open_rooms(plan: &Plan) -> Vec<&str> {
    let rooms = plan.rooms.iter();
    let open = rooms.filter(|room| plan.is_open_to_externals(room.id));
    open.map(|room| room.wire_id.as_str()).collect()
}

/// Whether there is one.
pub(super) fn are_open(plan: &Plan) -> bool {
    let mut rooms = (0..plan.rooms.len() as u32).map(RoomId);
    rooms.any(|room| plan.is_open_to_externals(room))
}

/// Who is the first to wait for a member from outside, in words; `None`: nobody does.
pub(super) fn waits_in_vain(plan: &Plan) -> Option<String> {
    let waiting = plan.peers.iter().find(|peer| peer.awaits_externals())?;
    Some(match &waiting.group {
        Some(group) => format!("the group `{group}` waits for that (`wait: external`)"),
        None => "a step waits for that (`wait: external`)".to_owned(),
    })
}

/// What is said of them on stderr.
pub(super) fn lines(plan: &Plan, place: &Place) -> Vec<String> {
    let rooms = open_rooms(plan);
    let page = place.page();
    let mut lines: Vec<String> = rooms
        .iter()
        .take(ROOMS_MAX)
        .map(|room| match &page {
            Some(page) => format!("join: {page}?room={room}"),
            None => format!("join: the room {room}"),
        })
        .collect();
    if rooms.len() > ROOMS_MAX {
        lines.push(format!(
            "join: {} more rooms, as `rtcstorm plan --json` lists them",
            rooms.len() - ROOMS_MAX
        ));
    }
    lines
}
