use std::collections::BTreeMap;

use super::line::{Lines, Place};
use crate::{
    base::{Incarnation, PeerId},
    metrics::DescriptionKind,
};

/// Flows of a trace; the rest are counted.
pub const MAX_FLOWS: usize = 10_000;
/// Places of one flow: an offer that a fault copies a hundred times would be a hundred arrows.
const MAX_PLACES: usize = 12;

/// What goes from one peer to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parcel {
    /// An offer, by its number, and its answer.
    Offer(u64),
    /// An answer to no offer that is known.
    Answer(u64),
    /// A chat message, by its sender, addressee, and number.
    Message(PeerId, PeerId, Incarnation, u32),
}

/// Where each parcel was seen, in the order of the events.
#[derive(Debug, Default)]
pub struct Flows {
    seen: BTreeMap<Parcel, Vec<Place>>,
    offer_of: BTreeMap<u64, u64>,
    /// Parcels that found no room.
    pub left_out: u64,
}

impl Flows {
    /// The parcel that a description is, or belongs to. `answers`: the offer that it answers, where that is said.
    pub fn description(&mut self, kind: DescriptionKind, number: u64, answers: Option<u64>) -> Parcel {
        if let Some(offer) = answers {
            self.offer_of.insert(number, offer);
        }
        match (kind, self.offer_of.get(&number)) {
            (DescriptionKind::Offer, _) => Parcel::Offer(number),
            (DescriptionKind::Answer, Some(offer)) => Parcel::Offer(*offer),
            (DescriptionKind::Answer, None) => Parcel::Answer(number),
        }
    }

    /// `begins`: whether it is where the parcel comes from. What came from nowhere flows from nowhere.
    pub fn see(&mut self, parcel: Parcel, place: Place, begins: bool) {
        let known = self.seen.len();
        match self.seen.get_mut(&parcel) {
            Some(places) if places.len() < MAX_PLACES => places.push(place),
            Some(_) => {}
            None if !begins => {}
            None if known >= MAX_FLOWS => self.left_out += 1,
            None => {
                self.seen.insert(parcel, vec![place]);
            }
        }
    }

    /// Draws what has been seen at two places or more.
    pub fn draw(self, lines: &mut Lines) {
        for (parcel, mut places) in self.seen {
            if places.len() < 2 {
                continue;
            }
            places.sort_by_key(|place| place.at);
            let (name, cat) = match parcel {
                Parcel::Offer(number) => (format!("offer {number}"), "signaling"),
                Parcel::Answer(number) => (format!("answer {number}"), "signaling"),
                Parcel::Message(_, _, incarnation, seq) => {
                    (format!("message {incarnation}-{seq}"), "message")
                }
            };
            lines.flow(&name, cat, &places);
        }
    }
}
