use std::collections::BTreeMap;

use crate::{
    base::{PeerId, RoomId},
    peer::{Introduction, PeerInput},
    plan::Plan,
    signaling::{LeaveReason, Member},
};

/// Who is in which room under which id on the wire, where the server does not tell everybody: what an application's
/// own list would be. Pure: who has come in, whom to tell out.
#[derive(Debug)]
pub struct Directory {
    rooms: Vec<BTreeMap<PeerId, Entry>>,
    room_of: Vec<RoomId>,
}

#[derive(Debug)]
struct Entry {
    member: Member,
    /// It has said nothing of leaving.
    present: bool,
}

impl Directory {
    /// Nobody is anywhere.
    pub fn new(plan: &Plan) -> Self {
        Self {
            rooms: plan.rooms.iter().map(|_| BTreeMap::new()).collect(),
            room_of: plan.peers.iter().map(|peer| peer.room).collect(),
        }
    }

    /// `peer` is in its room: it is told who else is, and they of it. In one order for all: of every two, one hears of
    /// the other as of a newcomer, and the other one finds it there.
    pub fn introduce(&mut self, peer: PeerId, introduction: &Introduction) -> Vec<(PeerId, PeerInput)> {
        let room = &mut self.rooms[self.room_of[peer.index()].index()];
        let entry = Entry {
            member: Member {
                user_id: introduction.user_id.clone(),
                name: introduction.name.clone(),
            },
            present: true,
        };
        let again = room.insert(peer, entry).is_some();
        let others = room
            .iter()
            .filter(|(other, entry)| **other != peer && entry.present);
        let there = others.map(|(other, entry)| (*other, entry.member.clone()));
        let there: Vec<(PeerId, Member)> = there.collect();
        let told = |(other, _): &(PeerId, Member)| {
            let input = PeerInput::Met {
                remote: peer,
                introduction: introduction.clone(),
                again,
            };
            (*other, input)
        };
        let mut inputs: Vec<_> = there.iter().map(told).collect();
        inputs.push((peer, PeerInput::Introduced(there)));
        inputs
    }

    /// `peer` is not in its room any more: who is there is told.
    pub fn withdraw(&mut self, peer: PeerId, reason: LeaveReason) -> Vec<(PeerId, PeerInput)> {
        let room = &mut self.rooms[self.room_of[peer.index()].index()];
        let entry = room.get_mut(&peer);
        if !entry.is_some_and(|entry| std::mem::replace(&mut entry.present, false)) {
            return Vec::new();
        }
        let others = room.iter().filter(|(_, entry)| entry.present);
        let told = |(other, _): (&PeerId, &Entry)| (*other, PeerInput::Parted { remote: peer, reason });
        others.map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduction(user_id: &str) -> Introduction {
        Introduction {
            user_id: user_id.to_owned(),
            name: user_id.to_owned(),
            goes_on_with: None,
        }
    }

    /// Introduces a peer: whom it finds there, `+` and who hears of it, `again` if as of one that has been there.
    fn told(directory: &mut Directory, peer: u32, user_id: &str) -> String {
        let inputs = directory
            .introduce(PeerId(peer), &introduction(user_id))
            .into_iter();
        let words = inputs.map(|(to, input)| match input {
            PeerInput::Introduced(there) => {
                assert_eq!(to, PeerId(peer));
                let found = there.into_iter();
                found
                    .map(|(other, member)| format!("{}={} ", other.0, member.user_id))
                    .collect()
            }
            PeerInput::Met { remote, again, .. } => {
                assert_eq!(remote, PeerId(peer));
                format!("+{}{} ", to.0, if again { " again" } else { "" })
            }
            other => panic!("{other:?}"),
        });
        words.collect::<String>().trim_end().to_owned()
    }

    #[test]
    fn of_every_two_one_hears_of_the_other_and_the_other_finds_it_there() {
        let mut directory = Directory {
            rooms: vec![BTreeMap::new(), BTreeMap::new()],
            room_of: vec![RoomId(0), RoomId(0), RoomId(1)],
        };
        assert_eq!(told(&mut directory, 0, "a"), "");
        assert_eq!(told(&mut directory, 2, "c"), "", "another room");
        assert_eq!(told(&mut directory, 1, "b"), "+0 0=a");
        let told_of_it = directory.withdraw(PeerId(0), LeaveReason::Left);
        let parted = PeerInput::Parted {
            remote: PeerId(0),
            reason: LeaveReason::Left,
        };
        assert_eq!(told_of_it, [(PeerId(1), parted)]);
        assert_eq!(told(&mut directory, 1, "b2"), "", "who has left is not told");
        assert_eq!(told(&mut directory, 0, "a2"), "+1 again 1=b2");
    }
}
