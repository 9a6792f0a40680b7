//! What members say to each other through the server.

use std::sync::Arc;

use super::{ClientId, members::Presence, refusal::Refusal, scoped::Scoped, wire::Wire};
use crate::protocol::{ACCESS_CHANNEL, Envelope, Reason, Relay, Signal};

impl Scoped {
    /// Passes an offer, an answer or a candidate to its recipient alone. If that is away, the frame waits.
    pub(super) fn signal(
        &mut self,
        wire: &mut Wire,
        client: ClientId,
        text: &str,
        signal: &Signal,
    ) -> Result<(), Refusal> {
        let Signal {
            room_id,
            from_user_id: from,
            to_user_id: to,
        } = signal;
        let ours = self.user_of(client, room_id).cloned();
        let room = self
            .rooms
            .get_mut(room_id)
            .ok_or_else(|| Refusal::room_not_found(room_id))?;
        if ours.as_ref() != Some(from) {
            return Err(Refusal::not_the_sender(room_id, from));
        }
        if from == to {
            let refusal = Refusal::new(Reason::InvalidMessage, "the frame is addressed to its sender");
            return Err(refusal.about(room_id, Some(to)));
        }
        let membership = room
            .member(from)
            .expect("a socket's memberships are there")
            .membership;
        let recipient = room
            .member_mut(to)
            .ok_or_else(|| Refusal::not_a_member(room_id, to))?;
        match &mut recipient.presence {
            Presence::Here(socket) => wire.send(*socket, text.into()),
            Presence::Away { held, .. } => {
                if !held.push(membership, text.into()) {
                    let message = format!("{to} is away, and too many frames wait for it");
                    let refusal = Refusal::new(Reason::RecipientAway, message);
                    return Err(refusal.about(room_id, Some(to)));
                }
            }
        }
        Ok(())
    }

    /// Passes any other frame to those members of its room who subscribe to its channel.
    ///
    /// One who asks to be let in is no member yet: `join-request` on the access channel passes all the same,
    /// and the verdict on it finds its way back.
    pub(super) fn relay(
        &mut self,
        wire: &mut Wire,
        client: ClientId,
        text: &str,
        envelope: &Envelope,
        relay: Relay,
    ) -> Result<(), Refusal> {
        let Relay {
            channel,
            room_id,
            request_id,
        } = relay;
        if !self.rooms.contains_key(&room_id) {
            return Err(Refusal::room_not_found(&room_id));
        }
        let is_access = channel.as_str() == ACCESS_CHANNEL;
        let is_member = self.user_of(client, &room_id).is_some();
        let mut asked = None;
        match (envelope.kind(), request_id) {
            (Some("join-request"), Some(request)) if is_access && !is_member => {
                if !self.petitions.ask(room_id.clone(), request, client) {
                    let refusal = Refusal::new(Reason::LimitReached, "too many requests wait for a verdict");
                    return Err(refusal.about(&room_id, None));
                }
            }
            (Some("join-approved" | "join-rejected"), Some(request)) if is_access && is_member => {
                asked = self.petitions.answer(&room_id, &request);
            }
            _ if is_member => {}
            _ => {
                let message = format!("this socket is not in the room {room_id}");
                return Err(Refusal::new(Reason::NotAMember, message).about(&room_id, None));
            }
        }
        let frame: Arc<str> = text.into();
        let members = self.rooms[&room_id].sockets().map(|(_, socket)| socket);
        for to in members
            .filter(|to| *to != client && wire.is_subscribed(*to, channel.as_str()))
            .collect::<Vec<_>>()
        {
            wire.send(to, frame.clone());
        }
        if let Some(to) = asked.filter(|to| self.user_of(*to, &room_id).is_none()) {
            wire.send(to, frame);
        }
        Ok(())
    }
}
