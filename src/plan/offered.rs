//! What a plan asks of a target, reckoned beforehand.

use std::time::Duration;

use super::{Action, Plan};
use crate::base::Instant;

/// What the peers of a plan offer, as if every wait were satisfied at once. Where waits take their time, what follows
/// them comes later, and the peaks of different rooms may fall apart or together.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferedLoad {
    /// Joins that are asked for, those that come again included.
    pub joins: usize,
    /// The most messages in a second, by the rates of the chats that go on at a time.
    pub peak_messages_per_s: f64,
    /// The same of bytes of content.
    pub peak_bytes_per_s: f64,
    /// When the last script ends, or the plan's deadline if that comes first.
    pub ends_after: Duration,
    /// When each join begins, ascending.
    begins: Vec<Instant>,
}

/// A chat: from when until when, messages a second, bytes of each.
struct Flow {
    from: Instant,
    until: Instant,
    per_s: f64,
    bytes: f64,
}

impl OfferedLoad {
    /// That of a whole plan.
    pub fn of(plan: &Plan) -> Self {
        let deadline = plan.duration.map(|duration| Instant::START + duration);
        let mut reckoned = Reckoning::new(plan);
        reckoned.run();
        let Reckoning {
            mut begins,
            mut flows,
            ends,
            ..
        } = reckoned;
        let is_in_time = |at: Instant| deadline.is_none_or(|deadline| at < deadline);
        begins.retain(|at| is_in_time(*at));
        flows.retain(|flow| is_in_time(flow.from));
        begins.sort_unstable();
        let (peak_messages_per_s, peak_bytes_per_s) = peaks(&flows);
        let ends = deadline.map_or(ends, |deadline| deadline.min(ends));
        Self {
            joins: begins.len(),
            peak_messages_per_s,
            peak_bytes_per_s,
            ends_after: ends.elapsed(),
            begins,
        }
    }

    /// The most joins that begin within any time of that length.
    pub fn most_joins_within(&self, window: Duration) -> usize {
        let mut first = 0;
        let mut most = 0;
        for (last, at) in self.begins.iter().enumerate() {
            while self.begins[first] + window <= *at {
                first += 1;
            }
            most = most.max(last - first + 1);
        }
        most
    }
}

/// Where each peer has come to.
struct Reckoning<'a> {
    plan: &'a Plan,
    /// Of each peer: the next step, and the instant from which its offset counts.
    at: Vec<(usize, Instant)>,
    /// Of each barrier: who waits at it, and since when the last one does.
    reached: Vec<(usize, Instant)>,
    begins: Vec<Instant>,
    flows: Vec<Flow>,
    ends: Instant,
}

impl<'a> Reckoning<'a> {
    fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            at: plan.peers.iter().map(|peer| (0, peer.arrive_at)).collect(),
            reached: vec![(0, Instant::START); plan.barriers.len()],
            begins: Vec::new(),
            flows: Vec::new(),
            ends: Instant::START,
        }
    }

    /// Peers go on until each waits at a barrier; a barrier that is complete lets its peers go on.
    fn run(&mut self) {
        let mut ready: Vec<usize> = (0..self.plan.peers.len()).collect();
        while let Some(peer) = ready.pop() {
            if let Some(barrier) = self.go_on(peer) {
                let planned = &self.plan.barriers[barrier];
                let (waiting, since) = self.reached[barrier];
                if waiting == planned.parties.len() {
                    for party in &planned.parties {
                        let (step, anchor) = &mut self.at[party.index()];
                        (*step, *anchor) = (*step + 1, since);
                        ready.push(party.index());
                    }
                }
            }
        }
    }

    /// Plays one peer up to its end (`None`) or the next barrier.
    fn go_on(&mut self, peer: usize) -> Option<usize> {
        let planned = &self.plan.peers[peer];
        let remotes = self.plan.rooms[planned.room.index()]
            .peers
            .len()
            .saturating_sub(1) as u64;
        let (mut step, mut anchor) = self.at[peer];
        while let Some(next) = planned.script.get(step) {
            let at = anchor + next.after;
            match &next.action {
                Action::Join { .. } | Action::JoinTwice { .. } => self.begins.push(at),
                Action::Wait { .. } => anchor = at,
                Action::Barrier { barrier, .. } => {
                    self.at[peer] = (step, anchor);
                    let (waiting, since) = &mut self.reached[barrier.index()];
                    (*waiting, *since) = (*waiting + 1, at.max(*since));
                    return Some(barrier.index());
                }
                Action::Chat { every, count, size } if !every.is_zero() => self.flows.push(Flow {
                    from: at,
                    until: at + every.saturating_mul(*count),
                    per_s: remotes as f64 / every.as_secs_f64(),
                    bytes: f64::from(*size),
                }),
                _ => {}
            }
            step += 1;
        }
        self.ends = self.ends.max(anchor + planned.ends_after);
        None
    }
}

/// The most messages and bytes a second of chats that go on at a time.
fn peaks(flows: &[Flow]) -> (f64, f64) {
    // Ends before beginnings of the same instant: a chat that follows another does not add to it.
    let mut changes: Vec<(Instant, bool, f64, f64)> = flows
        .iter()
        .flat_map(|flow| {
            [
                (flow.from, true, flow.per_s, flow.per_s * flow.bytes),
                (flow.until, false, -flow.per_s, -flow.per_s * flow.bytes),
            ]
        })
        .collect();
    changes.sort_by_key(|change| (change.0, change.1));
    let (mut now, mut most) = ((0.0, 0.0), (0.0_f64, 0.0_f64));
    for (_, _, messages, bytes) in changes {
        now = (now.0 + messages, now.1 + bytes);
        most = (most.0.max(now.0), most.1.max(now.1));
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{Options, expand},
        scenario::{ThresholdCheck, ThresholdMistake, parse},
    };

    struct Any;

    impl ThresholdCheck for Any {
        fn check(&self, _selector: &str, _expression: &str) -> Result<(), ThresholdMistake> {
            Ok(())
        }
    }

    fn load(text: &str) -> OfferedLoad {
        let scenario = parse("x", text, &Any).expect("it is sound");
        OfferedLoad::of(&expand(&scenario, 1, &Options::default()))
    }

    #[test]
    fn joins_are_counted_in_the_time_that_holds_most_of_them() {
        let load = load(
            "{name: x, rooms: {count: 5, peers: 4}, arrive: {rate: 4/s}, steps: [join, {pause: 200ms}, rejoin]}",
        );
        assert_eq!(load.joins, 40);
        assert_eq!(load.most_joins_within(Duration::from_secs(1)), 8);
        assert_eq!(load.most_joins_within(Duration::from_secs(60)), 40);
        let burst = self::load("{name: x, rooms: {count: 5, peers: 4}, steps: [join]}");
        assert_eq!(burst.most_joins_within(Duration::from_secs(1)), 20);
    }

    #[test]
    fn messages_are_counted_over_every_link_and_chats_in_a_row_do_not_add_up() {
        let load = load(
            "{name: x, rooms: {count: 2, peers: 3}, steps: [join, {wait: connected}, {chat: {every: 100ms, size: 50, for: 2s}}, {chat: {every: 200ms, size: 1000, for: 2s}}]}",
        );
        // 6 peers with 2 remotes each.
        assert!((load.peak_messages_per_s - 120.0).abs() < 1e-6, "{load:?}");
        assert!((load.peak_bytes_per_s - 60_000.0).abs() < 1e-6, "{load:?}");
        assert_eq!(load.ends_after, Duration::from_secs(4));
    }

    #[test]
    fn whoever_waits_at_a_barrier_goes_on_with_the_last() {
        let load = load(
            "{name: x, rooms: {peers: 2}, groups: [{name: a, peers: 1, steps: [join, {pause: 9s}, {barrier: here}, rejoin]}, {name: b, peers: 1, steps: [join, {barrier: here}, rejoin]}]}",
        );
        assert_eq!(load.joins, 4);
        assert_eq!(load.most_joins_within(Duration::from_secs(1)), 2);
        assert_eq!(load.ends_after, Duration::from_secs(9));
    }

    #[test]
    fn what_the_deadline_cuts_off_is_not_offered() {
        let load = load("{name: x, rooms: {peers: 2}, duration: 5s, steps: [join, {pause: 9s}, rejoin]}");
        assert_eq!((load.joins, load.ends_after), (2, Duration::from_secs(5)));
    }
}
