use std::collections::BTreeMap;

use crate::base::{Generation, Incarnation, Instant, PeerId};

use super::{EventKind, FailedJoin, RunEvent, phases::Marks};

/// What is kept of why something failed.
const MAX_WHY_CHARS: usize = 200;

/// How a join went that has failed.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinStory {
    /// What is known of it as a figure.
    pub join: FailedJoin,
    /// When it was asked for.
    pub began: Instant,
    /// When it had failed.
    pub ended: Instant,
    /// Why, as far as somebody said so: the server's refusal, an error, what was waited for.
    pub why: String,
    /// The connections of that membership that it needed, or that were begun; those that were never made have none.
    pub links: Vec<LinkStory>,
}

/// How far the newest connection of a link came, at one end.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkStory {
    /// To whom.
    pub remote: PeerId,
    /// Which connection; `None`: none was made.
    pub generation: Option<Generation>,
    /// How many were made for it in this membership.
    pub attempts: u32,
    /// When the newest was made.
    pub began: Instant,
    /// When the exchange of descriptions was complete.
    pub answered: Option<Instant>,
    /// When ICE was connected.
    pub ice: Option<Instant>,
    /// When DTLS was done.
    pub dtls: Option<Instant>,
    /// When the data channel was open.
    pub open: Option<Instant>,
    /// Whether the join has failed for it.
    pub missing: bool,
}

/// Follows joins, so that of each that fails there is its story. Holds no more than what the memberships of the
/// moment, and those before them, have links.
#[derive(Debug, Default)]
pub struct JoinStories {
    peers: BTreeMap<PeerId, Memberships>,
}

/// A join that fails may be told when the next has begun.
#[derive(Debug, Default)]
struct Memberships {
    current: Option<Membership>,
    last: Option<Membership>,
}

#[derive(Debug)]
struct Membership {
    incarnation: Incarnation,
    began: Instant,
    why: String,
    links: BTreeMap<PeerId, Link>,
}

#[derive(Debug)]
struct Link {
    generation: Generation,
    attempts: u32,
    began: Instant,
    marks: Marks,
}

impl JoinStories {
    /// Takes the next event. Before the recorder does, or after: what fails by it can be told then.
    pub fn observe(&mut self, event: &RunEvent) {
        let Some(peer) = event.peer else { return };
        let memberships = self.peers.entry(peer).or_default();
        if let EventKind::JoinStarted { incarnation, .. } = event.kind {
            memberships.last = memberships.current.replace(Membership {
                incarnation,
                began: event.at,
                why: String::new(),
                links: BTreeMap::new(),
            });
            return;
        }
        let Some(current) = memberships.current.as_mut() else {
            return;
        };
        match event.remote {
            Some(remote) => current.link(remote, event),
            None => current.tell(event),
        }
    }

    /// The story of a join that has failed at `at`.
    pub fn story(&self, join: FailedJoin, at: Instant) -> JoinStory {
        let memberships = self.peers.get(&join.peer);
        let found = memberships.into_iter().flat_map(|all| [&all.current, &all.last]);
        let found = found.flatten().find(|one| one.incarnation == join.incarnation);
        let mut links: Vec<LinkStory> = found
            .into_iter()
            .flat_map(|membership| &membership.links)
            .map(|(remote, link)| link.story(*remote, join.missing.contains(remote)))
            .collect();
        let began = found.map_or(join.planned, |membership| membership.began);
        let known: Vec<PeerId> = links.iter().map(|link| link.remote).collect();
        let without = join.missing.iter().filter(|remote| !known.contains(remote));
        links.extend(without.map(|remote| LinkStory {
            remote: *remote,
            generation: None,
            attempts: 0,
            began: join.confirmed.unwrap_or(began),
            answered: None,
            ice: None,
            dtls: None,
            open: None,
            missing: true,
        }));
        links.sort_by_key(|link| link.remote);
        let said = found.map(|membership| membership.why.clone()).unwrap_or_default();
        JoinStory {
            why: match (said.is_empty(), join.confirmed.is_some()) {
                (false, _) => said,
                (true, false) => "the server has not confirmed the join".to_owned(),
                (true, true) => {
                    let missing: Vec<String> = join.missing.iter().map(ToString::to_string).collect();
                    format!("no open channel to {}", missing.join(", "))
                }
            },
            began,
            ended: at,
            links,
            join,
        }
    }
}

impl Membership {
    fn tell(&mut self, event: &RunEvent) {
        let why = match &event.kind {
            EventKind::JoinRejected { reason, .. } => format!("the server refused the join: {reason}"),
            EventKind::JoinFailed { reason, .. } => format!("the join failed: {reason}"),
            EventKind::SignalingLost { failure, reason } => {
                format!("the signaling socket was lost: {failure}: {reason}")
            }
            _ => return,
        };
        self.why = why.chars().take(MAX_WHY_CHARS).collect();
    }

    fn link(&mut self, remote: PeerId, event: &RunEvent) {
        if let EventKind::ConnectionCreated { generation, .. } = event.kind {
            let attempts = self.links.get(&remote).map_or(0, |link| link.attempts);
            let link = Link {
                generation,
                attempts: attempts + 1,
                began: event.at,
                marks: Marks::default(),
            };
            self.links.insert(remote, link);
            return;
        }
        let Some(link) = self.links.get_mut(&remote) else {
            return;
        };
        let (marks, own, at) = (&mut link.marks, link.generation, event.at);
        match &event.kind {
            EventKind::SignalingStateChanged { generation, state } if *generation == own => {
                marks.signaling(*state, at);
            }
            EventKind::IceStateChanged { generation, state }
                if *generation == own && matches!(state.as_str(), "connected" | "completed") =>
            {
                marks.ice.get_or_insert(at);
            }
            EventKind::ConnectionStateChanged { generation, state }
                if *generation == own && state == "connected" =>
            {
                marks.connected.get_or_insert(at);
            }
            EventKind::ChannelOpened { generation, pair, .. } if *generation == own => {
                marks.opened.get_or_insert((at, *pair));
            }
            _ => {}
        }
    }
}

impl Link {
    fn story(&self, remote: PeerId, missing: bool) -> LinkStory {
        LinkStory {
            remote,
            generation: Some(self.generation),
            attempts: self.attempts,
            began: self.began,
            answered: self.marks.stable,
            ice: self.marks.ice,
            dtls: self.marks.connected,
            open: self.marks.opened.map(|(at, _)| at),
            missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{
        Recorder, SignalingState,
        story::{A, B, C, ms, plan},
    };

    fn told(events: &[RunEvent]) -> Vec<JoinStory> {
        let (mut recorder, mut stories) = (Recorder::new(&plan(1, 3)), JoinStories::default());
        let mut told = Vec::new();
        for event in events {
            stories.observe(event);
            recorder.record(event);
            let failed = recorder.take_failed_joins();
            told.extend(failed.into_iter().map(|join| stories.story(join, event.at)));
        }
        told
    }

    fn event(at: u64, peer: PeerId, remote: Option<PeerId>, kind: EventKind) -> RunEvent {
        RunEvent {
            at: ms(at),
            peer: Some(peer),
            remote,
            kind,
        }
    }

    fn join(at: u64, peer: PeerId, incarnation: u32) -> RunEvent {
        let kind = EventKind::JoinStarted {
            planned: ms(at),
            incarnation: Incarnation(incarnation),
            name: "Ann".to_owned(),
            expect_rejected: false,
        };
        event(at, peer, None, kind)
    }

    fn joined(at: u64, peer: PeerId) -> RunEvent {
        let incarnation = Incarnation(1);
        event(at, peer, None, EventKind::Joined { incarnation })
    }

    #[test]
    fn a_join_that_is_refused_tells_why() {
        let reason = "room-full".to_owned();
        let refused = EventKind::JoinRejected {
            incarnation: Incarnation(1),
            reason,
        };
        let told = told(&[join(10, A, 1), event(25, A, None, refused), join(40, A, 2)]);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].why, "the server refused the join: room-full");
        assert_eq!((told[0].join.planned, told[0].ended), (ms(10), ms(25)));
        assert!(told[0].links.is_empty() && told[0].join.confirmed.is_none());
    }

    #[test]
    fn one_that_waits_in_vain_tells_how_far_each_link_came() {
        let generation = Generation(1);
        let created = EventKind::ConnectionCreated {
            generation,
            incarnation: Incarnation(1),
            offerer: true,
        };
        let state = SignalingState::Stable;
        let stable = EventKind::SignalingStateChanged { generation, state };
        let told = told(&[
            join(0, A, 1),
            join(0, B, 1),
            join(10, C, 1),
            joined(11, A),
            joined(12, B),
            joined(13, C),
            event(14, C, Some(A), created),
            event(20, C, Some(A), stable),
            event(40_000, A, None, EventKind::ScriptEnded),
        ]);
        let story = told.iter().find(|story| story.join.peer == C).expect("it failed");
        assert_eq!(story.why, "no open channel to peer-0, peer-1");
        let [to_a, to_b] = story.links.as_slice() else {
            panic!("{story:?}")
        };
        assert_eq!(
            (to_a.answered, to_a.ice, to_a.missing),
            (Some(ms(20)), None, true)
        );
        assert_eq!((to_b.generation, to_b.began), (None, ms(13)));
    }
}
