/// Most runs of numbers that are told apart; beyond it the lowest gap counts as filled.
const RUNS_MAX: usize = 64;

/// The sequence numbers that came in, as runs of neighbours: one run on a channel that loses nothing.
#[derive(Debug, Default)]
pub(super) struct Seqs {
    /// First and last of each run, ascending, never adjacent.
    runs: Vec<(u32, u32)>,
}

impl Seqs {
    pub(super) fn contains(&self, seq: u32) -> bool {
        let after = self.runs.partition_point(|(first, _)| *first <= seq);
        after > 0 && self.runs[after - 1].1 >= seq
    }

    /// Adds `seq`; `false` if it was there.
    pub(super) fn insert(&mut self, seq: u32) -> bool {
        if self.contains(seq) {
            return false;
        }
        let after = self.runs.partition_point(|(first, _)| *first < seq);
        let extends_left = after > 0 && self.runs[after - 1].1.checked_add(1) == Some(seq);
        let extends_right = self.runs.get(after).map(|run| run.0) == seq.checked_add(1) && seq < u32::MAX;
        match (extends_left, extends_right) {
            (true, true) => {
                self.runs[after - 1].1 = self.runs[after].1;
                self.runs.remove(after);
            }
            (true, false) => self.runs[after - 1].1 = seq,
            (false, true) => self.runs[after].0 = seq,
            (false, false) => self.runs.insert(after, (seq, seq)),
        }
        if self.runs.len() > RUNS_MAX {
            self.runs[1].0 = self.runs[0].0;
            self.runs.remove(0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_of_numbers(seqs in prop::collection::vec(prop_oneof![0_u32..40, u32::MAX - 3..=u32::MAX], 0..80)) {
            let mut set = Seqs::default();
            let mut model = BTreeSet::new();
            for seq in seqs {
                prop_assert_eq!(set.contains(seq), model.contains(&seq));
                prop_assert_eq!(set.insert(seq), model.insert(seq));
                prop_assert!(set.runs.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{:?}", set.runs);
            }
        }
    }

    #[test]
    fn too_many_gaps_are_forgotten_from_below() {
        let mut set = Seqs::default();
        for seq in 0..1000 {
            set.insert(seq * 2);
        }
        assert_eq!(set.runs.len(), RUNS_MAX);
        assert!(set.contains(1), "the lowest gap counts as filled");
        assert!(!set.contains(1997));
    }
}
