use std::{collections::BTreeMap, time::Duration};

use crate::{
    base::{Generation, Incarnation, Instant, PeerId, SignalingFailure},
    plan::{Burst, Plan},
};

use super::{
    EventKind, Live, MetricKey, RunEvent, Sample, Snapshot,
    counts::{amounts_of, counter_of, is_of_the_run, lost_by, planned_of},
    deadlines::{Deadlines, Due},
    externals::Externals,
    faults::{self, Faults},
    joins::{FailedJoin, Joins},
    link_event::{LinkEvent, link_event},
    members::{Cut, Members, Stay},
    messages::{MessageId, Messages},
    pairs::{Pairs, pair_of},
    resumptions::Resumptions,
    server_links::ServerLinks,
    subject::Subject,
    tally::{Series, Tally},
};

/// How far an event may lie behind the newest one and still count in full: what an event spends in the
/// dispatcher's queue. Deadlines fire this much later; whether something came in time is told by its own
/// instant, not by when it was recorded.
pub(super) const LATENESS: Duration = Duration::from_secs(1);

/// The events of a run → its figures, by the definitions of the [`CATALOGUE`](super::CATALOGUE).
///
/// A machine without a clock: time is what the events say. Its memory is bounded by the plan (pairs,
/// peers) and by what is pending; samples go into histograms of fixed size.
///
/// Rules that the definitions leave open:
/// - A join that fails (or is refused against expectation) fails the link to each other peer of the room
///   that is a member or may still become one: its script has a join that is to succeed and has not ended.
///   One failure per link until both are members again. What follows it is still a *first* connect.
/// - A join that the script wants refused is not measured, nor are its links, whatever the server says.
/// - A link is open when both ends say so at the same time, each on its newest connection. Events of
///   connections that were made before the current memberships overlapped are stale and change nothing.
/// - Something that is exactly as old as its time-out is in time.
/// - A fault tears a link that is open at the end where it begins, whatever the other end has reported yet.
/// - A membership that ends with a lost signaling socket (the peer joins again without having left, or leaves
///   although its script does not say so) was not meant to: what was pending has failed, and a fault goes on
///   until data flows in the next overlap.
#[derive(Debug)]
pub struct Recorder {
    members: Members,
    pairs: Pairs,
    faults: Faults,
    joins: Joins,
    resumptions: Resumptions,
    server_links: ServerLinks,
    externals: Externals,
    messages: Messages,
    tally: Tally,
    deadlines: Deadlines,
    burst: Option<Burst>,
    /// Links of pairs have no connection of their own.
    relays: bool,
    /// Until when a fault is on at each peer that had one, as planned.
    faulty_until: BTreeMap<PeerId, Instant>,
    /// The newest instant that an event has told.
    now: Instant,
    /// The run was told to end before its scripts: what they had left was never due.
    cut_short: bool,
    /// When everybody was told to leave, or had nothing left to do.
    load_ended: Option<Instant>,
}

impl Recorder {
    /// A recorder for one run of `plan`.
    pub fn new(plan: &Plan) -> Self {
        let topology = plan.abilities().topology;
        Self {
            members: Members::new(plan),
            pairs: Pairs::new(plan.connect_timeout),
            faults: Faults::new(plan.connect_timeout, plan.message_timeout),
            joins: Joins::new(plan.connect_timeout),
            resumptions: Resumptions::new(plan.connect_timeout),
            server_links: ServerLinks::new(topology.is_through_server(), plan.connect_timeout),
            externals: Externals::new(plan.connect_timeout),
            messages: Messages::new(plan.message_timeout),
            tally: Tally::new(Instant::START + plan.warm_up),
            deadlines: Deadlines::default(),
            burst: plan.burst,
            relays: topology.is_through_server() && !topology.is_media(),
            faulty_until: BTreeMap::new(),
            now: Instant::START,
            cut_short: false,
            load_ended: None,
        }
    }

    /// Takes one event into account. Events come in the dispatcher's order; peers and remotes that are not
    /// in the plan are counted, but belong to no link.
    pub fn record(&mut self, event: &RunEvent) {
        self.now = self.now.max(event.at);
        while let Some(due) = self.deadlines.pop_before(self.now - LATENESS) {
            self.expire(due);
        }
        let mut counted = match is_of_the_run(&event.kind) {
            true => self.tally.of_the_run(event.at),
            false => self.tally.at(planned_of(&event.kind).unwrap_or(event.at)),
        };
        let relayed = self.relays && event.remote.is_some_and(|remote| remote != PeerId::SERVER);
        let no_connection = relayed && matches!(event.kind, EventKind::ConnectionCreated { .. });
        if let Some(series) = counter_of(&event.kind).filter(|_| !no_connection) {
            counted.count(series);
        }
        for (series, more) in amounts_of(&event.kind) {
            counted.add(series, more);
        }
        match (event.peer, event.remote) {
            (Some(peer), Some(remote)) => self.link(peer, remote, event.at, &event.kind),
            (Some(peer), None) => self.peer(peer, event.at, &event.kind),
            (None, _) => {
                self.fault_without_link(&event.kind);
                if let EventKind::EventLoopLag { late_us } = &event.kind {
                    self.event_loop_lag(event.at, late_us);
                }
                if matches!(event.kind, EventKind::Interrupted | EventKind::DeadlineReached) {
                    self.cut_short = true;
                    self.load_ended.get_or_insert(event.at);
                }
            }
        }
    }

    /// The run is over at `now`: what is pending for longer than its time-out has failed, the rest is
    /// abandoned.
    pub fn finish(&mut self, now: Instant) {
        self.now = self.now.max(now);
        while let Some(due) = self.deadlines.pop_before(self.now) {
            self.expire(due);
        }
        while let Some(due) = self.deadlines.pop() {
            match due {
                Due::Overlap(pair) => self.pairs.abandon(pair, &mut self.tally),
                Due::Join(peer) => {
                    self.joins
                        .end(peer, self.now, Cut::Left, &mut self.tally, &mut self.deadlines);
                }
                Due::Fault(pair) => self.faults.end_of_run(pair, self.now, &mut self.tally),
                Due::Resumption(peer) => self.resumptions.end_of_run(peer, &mut self.tally),
                Due::ServerLink(peer) => self.server_links.end_of_run(peer, &mut self.tally),
                Due::External(id) => self.externals.end_of_run(id, &mut self.tally),
                Due::Message(id) => self.messages.abandon(id, &mut self.tally),
                Due::Unmatched(id) => self.messages.expire_early(id, &mut self.tally),
            }
        }
    }

    /// All figures so far. What is pending is in none of them.
    pub fn snapshot(&self) -> Snapshot {
        self.tally.snapshot()
    }

    /// Gathers the samples of these metrics one by one from here on; they are to be fetched with
    /// [`samples`](Self::samples) now and then, for nothing else ends their number.
    pub fn watch(&mut self, keys: Vec<MetricKey>) {
        self.tally.watch(keys);
    }

    /// The samples of what is watched since this was last asked, in the order in which they were known.
    pub fn samples(&mut self) -> Vec<Sample> {
        self.tally.samples()
    }

    /// Every sample of this metric that began before this instant is known, but for what still waits in the
    /// dispatcher's queue.
    pub fn known_until(&self, metric: &str) -> Instant {
        let pending = match Subject::of(metric) {
            Some(Subject::Joins) => self.joins.pending_since(),
            Some(Subject::Signaling) => self.resumptions.pending_since(),
            Some(Subject::Recovery) => earlier(self.faults.pending_since(), self.pairs.pending_since()),
            Some(Subject::ServerLinks) => self.server_links.pending_since(),
            Some(Subject::Externals) => self.externals.pending_since(),
            Some(Subject::Links) => self.pairs.pending_since(),
            Some(Subject::Messages) => self.messages.pending_since(),
            None => None,
        };
        let now = self.now - LATENESS;
        pending.map_or(now, |pending| pending.min(now))
    }

    /// Whether first links were to open, in the warm-up or after it, and every one failed.
    pub fn nothing_connected(&self) -> bool {
        let links = self.tally.links();
        links.total > 0 && links.hits == links.total
    }

    /// When the load of the plan was over: the last script had ended, or everybody was told to leave. `None`: not yet.
    pub fn load_ended(&self) -> Option<Instant> {
        self.load_ended
    }

    /// The joins that have failed since this was asked last: the failures of `join_ms`, one by one. Only so many wait
    /// to be taken.
    pub fn take_failed_joins(&mut self) -> Vec<FailedJoin> {
        self.joins.take_failed()
    }

    /// The few figures of a progress view; costs a handful of look-ups.
    pub fn live(&self) -> Live {
        let by = |failure: &SignalingFailure| self.tally.counted(lost_by(*failure));
        let all = SignalingFailure::ALL.iter();
        let lost = all.clone().map(by).sum();
        let most = all.rev().max_by_key(|failure| by(failure)).copied();
        Live {
            peers_joined: self.members.inside(),
            links_open: self.pairs.open(),
            messages_delivered: self.tally.counted("messages_received"),
            failures: self.tally.hits(),
            sockets_lost: lost,
            lost_most_by: most.filter(|_| lost > 0),
        }
    }

    /// Whether every script came to its end, or the run was told to end before (`--duration`, an
    /// interrupt). Otherwise some planned step never began, and the load of the plan was not offered.
    pub fn offered_load_reached(&self) -> bool {
        self.cut_short || self.members.scripts_ended()
    }

    fn expire(&mut self, due: Due) {
        match due {
            Due::Overlap(pair) => self.pairs.expire(pair, &mut self.tally),
            Due::Join(peer) => self.joins.expire(peer, &mut self.tally),
            Due::Fault(pair) => self.faults.expire(pair, &mut self.tally),
            Due::Resumption(peer) => self.resumptions.expire(peer, &mut self.tally),
            Due::ServerLink(peer) => self.server_links.expire(peer, &mut self.tally),
            Due::External(id) => self.externals.expire(id, &mut self.tally),
            Due::Message(id) => self.messages.expire(id, &self.faults, &mut self.tally),
            Due::Unmatched(id) => self.messages.expire_early(id, &mut self.tally),
        }
    }

    fn peer(&mut self, peer: PeerId, at: Instant, kind: &EventKind) {
        match *kind {
            EventKind::StepStarted { planned, .. } => self.step(planned, at),
            EventKind::ScriptEnded => {
                self.members.script_ended(peer);
                if self.members.scripts_ended() {
                    self.load_ended.get_or_insert(at);
                }
            }
            EventKind::JoinStarted {
                planned,
                incarnation,
                expect_rejected,
                ..
            } => {
                let stay = Stay {
                    incarnation,
                    planned,
                    expect_rejected,
                    after_crash: self.members.has_crashed(peer),
                };
                self.join_started(peer, at, stay);
            }
            EventKind::SignalingReceived { .. } if self.members.signaled(peer) => {
                self.tally.of_the_run(at).count("signaling_receivers");
            }
            EventKind::JoinRelayed { incarnation, relayed } => {
                self.joins.relayed(peer, incarnation, relayed);
            }
            EventKind::Joined { incarnation } => {
                let stay = self.members.joining(peer, incarnation);
                let planned = stay.map_or(at, |stay| stay.planned);
                self.tally.at(planned).count("joins_confirmed");
                let Some(stay) = stay else {
                    return;
                };
                self.members.confirm(peer, stay);
                if stay.expect_rejected {
                    self.tally.at(stay.planned).count("joins_unexpected");
                } else {
                    self.joins.confirm(peer, at, &mut self.tally, &mut self.deadlines);
                }
            }
            EventKind::JoinRejected { incarnation, .. } => {
                let stay = self.members.joining(peer, incarnation);
                let expected = yes_no(stay.is_some_and(|stay| stay.expect_rejected));
                let planned = stay.map_or(at, |stay| stay.planned);
                self.tally
                    .at(planned)
                    .count(Series::tagged("joins_rejected", [("expected", expected)]));
                self.join_failed(peer, at, stay);
                self.resumptions
                    .refused(peer, incarnation, &mut self.tally, &mut self.deadlines);
            }
            EventKind::JoinFailed { incarnation, .. } => {
                let stay = self.members.joining(peer, incarnation);
                let planned = stay.map_or(at, |stay| stay.planned);
                self.tally.at(planned).count("joins_failed");
                self.resumptions
                    .refused(peer, incarnation, &mut self.tally, &mut self.deadlines);
                self.join_failed(peer, at, stay);
            }
            EventKind::LeaveStarted {
                incarnation,
                scripted,
                ..
            } => {
                let lost = !scripted && !self.cut_short && self.resumptions.is_lost(peer);
                let cut = if lost { Cut::Lost } else { Cut::Left };
                self.ended(peer, incarnation, at, cut);
            }
            EventKind::Crashed { planned, incarnation } => {
                self.ended(peer, incarnation, at, Cut::Crashed { planned });
            }
            EventKind::SignalingLost { .. } => {
                let stay = self.members.confirmed(peer);
                if let Some(stay) = stay.filter(|stay| !stay.expect_rejected) {
                    self.resumptions
                        .lost(peer, stay.incarnation, at, &mut self.deadlines);
                }
            }
            EventKind::MembershipResumed { incarnation } => {
                self.resumptions
                    .resumed(peer, incarnation, at, &mut self.tally, &mut self.deadlines);
            }
            EventKind::ExternalIgnored { ref external } => {
                let room = self.members.room(peer);
                if room.is_some_and(|room| self.externals.is_new_in(room, external)) {
                    self.tally.of_the_run(at).count("externals_ignored");
                }
            }
            _ => {
                self.externals
                    .observe(peer, at, kind, &mut self.tally, &mut self.deadlines);
                self.degrade(peer, kind);
                self.fault_without_link(kind);
            }
        }
    }

    fn in_burst(&self, at: Instant) -> bool {
        let burst = self.burst;
        burst.is_some_and(|burst| (burst.from..burst.until).contains(&at))
    }

    fn event_loop_lag(&mut self, at: Instant, late_us: &[(u64, u64)]) {
        let in_burst = yes_no(self.in_burst(at));
        let series = Series::tagged("event_loop_lag_ms", [("burst", in_burst)]);
        for (micros, count) in late_us {
            let late = Duration::from_micros(*micros);
            self.tally.at(at).took_each(series, late, *count);
        }
    }

    fn step(&mut self, planned: Instant, at: Instant) {
        let in_burst = self.in_burst(planned);
        let mut tally = self.tally.at(planned);
        tally.count("steps_started");
        tally.took(
            Series::tagged("generator_lag_ms", [("burst", yes_no(in_burst))]),
            at.since(planned),
        );
    }

    fn join_started(&mut self, peer: PeerId, at: Instant, stay: Stay) {
        if self.members.stay(peer).is_some() {
            self.gone(peer, at, Cut::Lost);
        }
        let again = self.members.join(peer, stay);
        self.tally
            .at(stay.planned)
            .count(Series::tagged("joins_started", [("again", yes_no(again))]));
        // None either for a peer that the plan does not know.
        if self.members.measured(peer).is_none() {
            return;
        }
        let members: Vec<_> = self
            .members
            .mates(peer)
            .into_iter()
            .filter_map(|mate| match mate {
                PeerId::SERVER => Some((mate, stay.of_server())),
                mate => Some((mate, self.members.measured(mate)?)),
            })
            .collect();
        for member in &members {
            let covered = self.faults.covers(pair_of(peer, member.0).0);
            let degraded = [peer, member.0].iter().any(|end| {
                let until = self.faulty_until.get(end);
                until.is_some_and(|until| stay.planned < *until)
            });
            self.pairs
                .begin((peer, stay), *member, (covered, degraded), &mut self.deadlines);
        }
        self.joins
            .begin((peer, stay), again, &members, &mut self.deadlines);
        self.server_links.begin(peer, stay, &mut self.deadlines);
    }

    /// A join came to nothing. `stay`: the one it was about, if it is still pending.
    fn join_failed(&mut self, peer: PeerId, at: Instant, stay: Option<Stay>) {
        let Some(stay) = stay else {
            return;
        };
        self.gone(peer, at, Cut::JoinFailed);
        if stay.expect_rejected {
            return;
        }
        for mate in self.members.mates(peer) {
            if self.members.is_expected(mate) && !self.faults.covers(pair_of(peer, mate).0) {
                self.pairs.join_failed((peer, stay), mate, &mut self.tally);
            }
        }
    }

    /// The membership of `peer` ended, if it was this one.
    fn ended(&mut self, peer: PeerId, incarnation: Incarnation, at: Instant, cut: Cut) {
        if self.members.stay(peer).map(|stay| stay.incarnation) == Some(incarnation) {
            self.gone(peer, at, cut);
        }
    }

    /// `peer` is no member any more.
    fn gone(&mut self, peer: PeerId, at: Instant, cut: Cut) {
        let (tally, deadlines) = (&mut self.tally, &mut self.deadlines);
        self.joins.end(peer, at, cut, tally, deadlines);
        self.resumptions.end(peer, at, cut, tally, deadlines);
        self.server_links.end(peer, at, cut, tally, deadlines);
        self.externals.end(peer, at, cut, tally, deadlines);
        for mate in self.members.mates(peer) {
            self.pairs.end((peer, mate), at, cut, tally, deadlines);
            self.joins.forget(mate, peer, tally, deadlines);
            // What a lost membership has on its way is lost, unless it still comes in.
            if !cut.is_failure() {
                self.messages
                    .abandon_between(peer, mate, at, (&self.faults, &mut *tally), deadlines);
                self.faults.cut(pair_of(peer, mate).0, at, tally, deadlines);
            }
        }
        self.members.out(peer, cut);
    }

    /// A fault that lasts is on at `peer`: what connects meanwhile is hindered by it.
    fn degrade(&mut self, peer: PeerId, kind: &EventKind) {
        if let EventKind::FaultStarted { cause, planned, ends } = *kind
            && !faults::ends_membership(cause)
            && planned < ends
        {
            let until = self.faulty_until.entry(peer).or_insert(ends);
            *until = ends.max(*until);
            for mate in self.members.mates(peer) {
                self.pairs.degrade(peer, mate);
            }
        }
    }

    fn fault(&mut self, peer: PeerId, remote: PeerId, at: Instant, kind: &EventKind) {
        self.degrade(peer, kind);
        let ends = (peer, remote);
        let (tally, deadlines) = (&mut self.tally, &mut self.deadlines);
        match *kind {
            EventKind::FaultStarted { cause, planned, .. } if faults::ends_membership(cause) => {
                faults::unmeasured(cause, planned, tally);
            }
            EventKind::FaultStarted {
                cause,
                planned,
                ends: until,
            } => {
                let open = self.pairs.is_open_at(peer, remote);
                self.faults
                    .begin(ends, (planned, until), cause, open, tally, deadlines);
            }
            EventKind::FaultDetected { generation } => {
                self.pairs.noticed(ends, Some(generation), at, tally);
                if self.pairs.is_current(peer, remote, generation) {
                    self.faults.detected(ends, at);
                }
            }
            EventKind::MemberLeft { .. } => self.pairs.noticed(ends, None, at, tally),
            EventKind::RecoveryStarted { path, .. } => self.faults.recovering(ends, path),
            EventKind::LinkRecovered { generation, path }
                if self.pairs.is_current(peer, remote, generation) =>
            {
                self.faults.recovered(ends, path, at, deadlines);
            }
            EventKind::RecoveryFailed { path } => self.faults.failed(ends, path, at, tally, deadlines),
            _ => {}
        }
    }

    /// A fault that is said to have begun on no link in particular.
    fn fault_without_link(&mut self, kind: &EventKind) {
        if let EventKind::FaultStarted { cause, planned, .. } = *kind {
            faults::unmeasured(cause, planned, &mut self.tally);
        }
    }

    fn link(&mut self, peer: PeerId, remote: PeerId, at: Instant, kind: &EventKind) {
        let to_member = !self.members.has_left(remote);
        let outgoing = |incarnation, seq| MessageId {
            sender: peer,
            receiver: remote,
            incarnation,
            seq,
        };
        match *kind {
            EventKind::MessageSent {
                planned,
                incarnation,
                seq,
                ..
            } => {
                let id = outgoing(incarnation, seq);
                self.messages.sent(
                    id,
                    planned,
                    at,
                    to_member,
                    (&self.faults, &mut self.tally),
                    &mut self.deadlines,
                );
            }
            EventKind::MessageUnsent { planned, .. } => {
                let ends = (peer, remote);
                self.messages
                    .unsent(ends, planned, to_member, &self.faults, &mut self.tally);
            }
            EventKind::MessageReceived {
                generation,
                incarnation,
                seq,
                ..
            } => {
                let id = MessageId {
                    sender: remote,
                    receiver: peer,
                    incarnation,
                    seq,
                };
                self.messages.received(
                    id,
                    generation,
                    at,
                    (&self.faults, &mut self.tally),
                    &mut self.deadlines,
                );
            }
            _ => match link_event(kind) {
                Some((generation, event)) => self.connection(peer, remote, at, generation, event),
                None => self.fault(peer, remote, at, kind),
            },
        }
    }

    fn connection(
        &mut self,
        peer: PeerId,
        remote: PeerId,
        at: Instant,
        generation: Generation,
        event: LinkEvent,
    ) {
        let ends = (peer, remote);
        let (tally, deadlines) = (&mut self.tally, &mut self.deadlines);
        match event {
            LinkEvent::Opened(incarnation, _) => {
                if remote == PeerId::SERVER {
                    self.server_links.opened(peer, incarnation, at, tally, deadlines);
                }
                self.joins
                    .opened(ends, generation, incarnation, at, tally, deadlines);
            }
            LinkEvent::Closed | LinkEvent::ChannelClosed => self.joins.closed(peer, remote, generation),
            _ => {}
        }
        let back = self.pairs.link(ends, generation, event, at, tally, deadlines);
        if let Some(back) = back {
            self.faults.rejoined(pair_of(peer, remote).0, back, deadlines);
        }
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

fn yes_no(what: bool) -> &'static str {
    if what { "yes" } else { "no" }
}
