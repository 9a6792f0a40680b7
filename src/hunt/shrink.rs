use super::edits;
use crate::scenario::{Scenario, ThresholdCheck, parse};

/// Candidates that are tried at most, so that a hunt ends.
const MAX_TRIES: u32 = 5_000;

/// Looks for the smallest scenario that still breaks in the same way: greedy delta debugging (Zeller and
/// Hildebrandt, IEEE TSE 2002) over the scenario, until nothing can go.
///
/// Ask for an [attempt](Shrinker::attempt), play it, and [tell](Shrinker::tell) whether it broke in the same way.
/// The seed of a scenario is the one that it breaks with.
pub struct Shrinker<'a> {
    grammar: &'a dyn ThresholdCheck,
    best: Scenario,
    /// What the clients of `best` may be brought back to, and it breaks still.
    blamed: Scenario,
    /// The best that there was before peers were split up.
    whole: Option<Scenario>,
    stage: Stage,
    candidates: Vec<Scenario>,
    next: usize,
    /// Something has gone in this round through the candidates.
    went: bool,
    tries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its groups and repetitions stay as they are.
    Whole,
    /// Whether it breaks with every peer and step by itself.
    Splitting,
    /// Every peer is cut by itself.
    Split,
    /// What the peers have in common is put together again.
    Merged,
    /// The scenario is as small as it gets; the clients come closer to the reference.
    Blame,
    Done,
}

impl<'a> Shrinker<'a> {
    /// Begins with a scenario that breaks.
    pub fn new(scenario: Scenario, grammar: &'a dyn ThresholdCheck) -> Self {
        let mut shrinker = Self {
            grammar,
            blamed: scenario.clone(),
            best: scenario,
            whole: None,
            stage: Stage::Whole,
            candidates: Vec::new(),
            next: 0,
            went: false,
            tries: 0,
        };
        shrinker.candidates = edits::smaller(&shrinker.best);
        shrinker
    }

    /// The next scenario to be tried; `None` when nothing can go any more.
    pub fn attempt(&mut self) -> Option<Scenario> {
        loop {
            if self.stage == Stage::Done || self.tries == MAX_TRIES {
                return None;
            }
            match self.candidates.get(self.next) {
                Some(candidate) => match self.sound(candidate) {
                    Some(scenario) => {
                        self.candidates[self.next] = scenario.clone();
                        self.tries += 1;
                        return Some(scenario);
                    }
                    None => self.next += 1,
                },
                None => self.round_is_over(),
            }
        }
    }

    /// With which seed the last attempt broke in the same way, if with any.
    pub fn tell(&mut self, broke_with: Option<u64>) {
        let Some(seed) = broke_with else {
            self.next += 1;
            return;
        };
        let mut smaller = self.candidates.swap_remove(self.next);
        smaller.seed = Some(seed);
        self.went = true;
        match self.stage {
            Stage::Blame => {
                self.candidates = edits::more_like_reference(&smaller);
                self.blamed = smaller;
            }
            _ => {
                self.candidates = edits::smaller(&smaller);
                self.best = smaller;
            }
        }
        if matches!(self.stage, Stage::Splitting | Stage::Merged) {
            self.candidates.clear();
        }
    }

    /// The smallest so far.
    pub fn best(&self) -> &Scenario {
        &self.best
    }

    /// The rules of the clients that it takes, as the scenario writes them: with all others as in the reference
    /// it breaks still. `None` until nothing can go any more.
    pub fn blamed(&self) -> Option<Vec<(&'static str, String)>> {
        self.is_done().then(|| edits::changed_rules(&self.blamed))
    }

    /// Whether nothing can go any more.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Rooms, peers of a room, and steps of all peers of a room, every repetition written out.
    pub fn size(&self) -> [usize; 3] {
        let [rooms, peers, steps, ..] = edits::size(&self.best);
        [rooms, peers, steps]
    }

    /// How many scenarios were tried.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// As a scenario that is read from its text, if that makes sense.
    fn sound(&self, candidate: &Scenario) -> Option<Scenario> {
        parse(&candidate.name, &candidate.to_yaml(), self.grammar).ok()
    }

    fn round_is_over(&mut self) {
        let went = std::mem::take(&mut self.went);
        let next = match self.stage {
            // What is gone may make room for what was needed because of it.
            Stage::Whole | Stage::Split | Stage::Blame if went => self.stage,
            Stage::Whole => {
                self.whole = Some(self.best.clone());
                Stage::Splitting
            }
            Stage::Splitting if went => Stage::Split,
            Stage::Splitting => Stage::Blame,
            Stage::Split => Stage::Merged,
            Stage::Merged => {
                // Many groups of one are only worth it if somebody does less now.
                if let Some(whole) = self.whole.take()
                    && edits::size(&whole) <= edits::size(&self.best)
                {
                    self.best = whole;
                }
                Stage::Blame
            }
            Stage::Blame | Stage::Done => Stage::Done,
        };
        self.begin(next);
    }

    fn begin(&mut self, stage: Stage) {
        self.next = 0;
        self.candidates = match stage {
            Stage::Whole | Stage::Split => edits::smaller(&self.best),
            Stage::Splitting => vec![edits::split(&self.best)],
            Stage::Merged => vec![edits::merged(&self.best)],
            Stage::Blame => {
                if self.stage != Stage::Blame {
                    self.blamed = self.best.clone();
                }
                edits::more_like_reference(&self.blamed)
            }
            Stage::Done => Vec::new(),
        };
        self.stage = stage;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{StepKind, ThresholdMistake};

    struct Any;

    impl ThresholdCheck for Any {
        fn check(&self, _selector: &str, _expression: &str) -> Result<(), ThresholdMistake> {
            Ok(())
        }
    }

    fn read(text: &str) -> Scenario {
        parse("test", text, &Any).unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()))
    }

    /// Shrinks by a rule that stands in for playing.
    fn shrunk(text: &str, breaks: impl Fn(&Scenario) -> bool) -> (String, Vec<(&'static str, String)>) {
        let scenario = read(text);
        assert!(breaks(&scenario), "it has to break to begin with");
        let mut shrinker = Shrinker::new(scenario, &Any);
        while let Some(attempt) = shrinker.attempt() {
            assert_eq!(attempt.to_yaml(), read(&attempt.to_yaml()).to_yaml());
            shrinker.tell(breaks(&attempt).then_some(9));
        }
        assert!(breaks(shrinker.best()));
        let blamed = shrinker.blamed().expect("nothing can go any more");
        (shrinker.best().to_yaml(), blamed)
    }

    fn crowd(scenario: &Scenario) -> bool {
        scenario.peers >= 2
    }

    const LARGE: &str = "
name: large
seed: 3
rooms: { count: 5 }
arrive: { over: 3s }
client: { dedupe_offers: false, offer_fallback: false }
groups:
  - { name: host, peers: 1, steps: [join, barrier: all, { pause: 1s..2s }, { chat: { every: 10ms, size: 1KiB, count: 7 } }] }
  - name: guest
    peers: 3
    network: wifi
    steps: [join, barrier: all, { repeat: 10, steps: [leave, { pause: 3s }, join, { wait: connected }] }, { drop_network: { for: 9s, with: [host] } }]
";

    #[test]
    fn what_breaks_anyhow_shrinks_to_next_to_nothing() {
        let (text, blamed) = shrunk(LARGE, |_| true);
        assert_eq!(
            text,
            "name: large\nseed: 9\nrooms: { peers: 1 }\nclient: { dedupe_offers: false, offer_fallback: false }\nsteps:\n  - join\n"
        );
        assert_eq!(blamed, []);
    }

    #[test]
    fn peers_that_differ_only_by_what_is_not_needed_become_one_group() {
        let (text, _) = shrunk(LARGE, crowd);
        assert!(text.ends_with("rooms: { peers: 2 }\nclient: { dedupe_offers: false, offer_fallback: false }\nsteps:\n  - join\n"), "{text}");
    }

    #[test]
    fn the_steps_that_it_takes_stay_where_they_are_needed_and_the_smallest_delay_is_found() {
        let needs = |scenario: &Scenario| {
            let leaves_late = scenario.groups.iter().any(|group| {
                let mut waited = std::time::Duration::ZERO;
                group.steps.iter().any(|step| match &step.kind {
                    StepKind::Pause(range) => {
                        waited += range.min();
                        false
                    }
                    StepKind::Leave => waited >= std::time::Duration::from_millis(250),
                    _ => false,
                })
            });
            crowd(scenario) && leaves_late
        };
        let text = "
name: late
rooms: { peers: 3 }
steps: [join, { wait: connected }, { pause: 2s..3s }, { chat: { every: 10ms, size: 9, count: 7 } }, leave, join]
";
        let (text, _) = shrunk(text, needs);
        let pauses: Vec<&str> = text.lines().filter(|line| line.contains("pause")).collect();
        assert_eq!(pauses, ["      - pause: 250ms"], "{text}");
        assert_eq!(
            text.lines().filter(|line| line.contains("leave")).count(),
            1,
            "{text}"
        );
        assert!(!text.contains("chat") && !text.contains("wait"), "{text}");
    }

    #[test]
    fn faults_of_the_server_shrink_to_what_it_takes() {
        use crate::scenario::ServerFault::{Crash, Pause, Restart};
        use std::time::Duration;

        let at_least = |time: Duration, millis| time >= Duration::from_millis(millis);
        let needs = |scenario: &Scenario| {
            let mut steps = scenario.groups.iter().flat_map(|group| &group.steps);
            let has = |kind: &StepKind| match kind {
                StepKind::Server(Pause { lasting }) => at_least(*lasting, 250),
                _ => false,
            };
            steps.any(|step| has(&step.kind))
        };
        let text = "name: x\nrooms: { peers: 2 }\nsteps: [join, { server: { slow: { by: 1s, for: 9s } } }, { pause: 1s }, { server: { pause: { for: 9s } } }, { pause: 10s }, { server: crash }]\n";
        let (text, _) = shrunk(text, needs);
        assert!(
            text.ends_with("steps:\n  - server: { pause: { for: 250ms } }\n"),
            "{text}"
        );

        let away = |scenario: &Scenario| {
            let mut steps = scenario.groups.iter().flat_map(|group| &group.steps);
            steps.any(|step| match step.kind {
                StepKind::Server(Restart { away } | Crash { away: Some(away) }) => at_least(away, 700),
                _ => false,
            })
        };
        let text = "name: x\nrooms: { peers: 2 }\nsteps: [join, { server: { crash: { for: 9s } } }]\n";
        let (text, _) = shrunk(text, away);
        assert!(
            text.ends_with("steps:\n  - server: { restart: { for: 700ms } }\n"),
            "{text}"
        );
    }

    #[test]
    fn only_the_rules_that_it_takes_are_blamed() {
        let (_, blamed) = shrunk(LARGE, |s| s.groups.iter().all(|group| !group.rules.dedupe_offers));
        assert_eq!(blamed, [("dedupe_offers", "false".to_owned())]);
    }

    #[test]
    fn a_hunt_ends_even_if_every_cut_is_refused() {
        let large = read(LARGE).to_yaml();
        let (text, _) = shrunk(LARGE, |scenario| scenario.to_yaml() == large);
        assert_eq!(text, large);
    }
}
