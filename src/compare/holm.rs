/// What Holm's procedure says of one of several tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The tail that this test is held to.
    pub tail: f64,
    /// Whether it is significant.
    pub significant: bool,
}

/// Holm's step-down procedure: with it the probability that any of the tests is significant by chance is at most
/// `tail`, however they depend on each other.
///
/// The smallest of m tails is held to `tail / m`, the next to `tail / (m - 1)` and so on; the first that misses
/// ends it, and what comes after is held to what that one was. An interval that leaves out [`Step::tail`] lies
/// beyond its margin exactly if the test is significant.
///
/// Holm, S. (1979), "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6.
pub fn holm(tails: &[f64], tail: f64) -> Vec<Step> {
    let mut order: Vec<usize> = (0..tails.len()).collect();
    order.sort_by(|a, b| tails[*a].total_cmp(&tails[*b]));
    let mut steps = vec![
        Step {
            tail,
            significant: false
        };
        tails.len()
    ];
    let mut missed = None;
    for (nth, index) in order.into_iter().enumerate() {
        let held_to = missed.unwrap_or(tail / (tails.len() - nth) as f64);
        let significant = missed.is_none() && tails[index] <= held_to;
        if !significant {
            missed = Some(held_to);
        }
        steps[index] = Step {
            tail: held_to,
            significant,
        };
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_misses_ends_it() {
        let found: Vec<bool> = holm(&[0.03, 0.001, 0.02, 0.02], 0.05)
            .iter()
            .map(|step| step.significant)
            .collect();
        // 0.001 <= 0.05/4; 0.02 > 0.05/3.
        assert_eq!(found, [false, true, false, false]);
        assert!(
            holm(&[0.012, 0.016, 0.024, 0.049], 0.05)
                .iter()
                .all(|step| step.significant)
        );
        // 0.05/2 would do, but what came before has missed.
        let steps = holm(&[0.03, 0.02, 0.02], 0.05);
        assert!(
            steps
                .iter()
                .all(|step| !step.significant && step.tail == 0.05 / 3.0)
        );
        assert!(holm(&[], 0.05).is_empty());
    }
}
