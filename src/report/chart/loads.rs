/// So many times the smallest load, and the axis is logarithmic.
const LOG_FROM: f64 = 4.0;
/// What is left free at either end, so that a mark there stands in the plot.
const MARGIN: f64 = 0.03;
/// Between two labels, as a share of the axis: the least, and what a narrow page needs.
const ROOM: f64 = 0.06;
const AMPLE: f64 = 0.13;

/// Where loads lie along an axis from the smallest to the largest.
pub(super) struct Loads {
    low: u32,
    high: u32,
}

impl Loads {
    /// Of all that were tried.
    pub fn of(loads: impl Iterator<Item = u32>) -> Self {
        let (low, high) = loads.fold((u32::MAX, 1), |(low, high), load| {
            (low.min(load.max(1)), high.max(load))
        });
        Self {
            low: low.min(high),
            high,
        }
    }

    /// A search doubles its loads: each doubling takes as much room. A short range is as it is.
    pub fn is_log(&self) -> bool {
        f64::from(self.high) / f64::from(self.low) >= LOG_FROM
    }

    /// How far along the axis a load is, from 0 to 1.
    pub fn share(&self, load: u32) -> f64 {
        let at = |load: u32| match self.is_log() {
            true => f64::from(load.max(1)).log2(),
            false => f64::from(load),
        };
        let (low, high) = (at(self.low), at(self.high));
        let share = match high > low {
            true => (at(load) - low) / (high - low),
            false => 0.5,
        };
        MARGIN + (1.0 - 2.0 * MARGIN) * share.clamp(0.0, 1.0)
    }

    /// The loads that are told under the axis, and which of them are left out where there is little room: the smallest and
    /// the largest, those in `ends`, and each doubling that is far enough from all of these.
    pub fn ticks(&self, ends: &[u32]) -> Vec<(u32, bool)> {
        let (low, high) = (self.low, self.high);
        let between: Vec<u32> = match self.is_log() {
            true => std::iter::successors(Some(low), |load| load.checked_mul(2))
                .take_while(|load| *load < high)
                .collect(),
            false => (1..=2).map(|nth| low + (high - low) / 3 * nth).collect(),
        };
        let first = [low, high].into_iter().chain(ends.iter().copied());
        let mut told: Vec<(u32, bool)> = Vec::new();
        for (nth, load) in first.chain(between).enumerate() {
            let room = |to: &(u32, bool)| (self.share(to.0) - self.share(load)).abs();
            let room = told.iter().map(room).fold(f64::INFINITY, f64::min);
            if room >= ROOM {
                told.push((load, nth >= 2 && room < AMPLE));
            }
        }
        told.sort_unstable();
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(of: &[u32]) -> Loads {
        Loads::of(of.iter().copied())
    }

    #[test]
    fn each_doubling_takes_as_much_room() {
        let along = loads(&[400, 20, 160]);
        assert!(along.is_log());
        let room = |from, to| along.share(to) - along.share(from);
        assert!((room(20, 40) - room(160, 320)).abs() < 1e-9);
        assert_eq!((along.share(20), along.share(400)), (MARGIN, 1.0 - MARGIN));
        let told: Vec<u32> = along.ticks(&[]).into_iter().map(|(load, _)| load).collect();
        assert_eq!(told, [20, 40, 80, 160, 320, 400]);
        let told: Vec<u32> = (along.ticks(&[290, 300]).into_iter())
            .map(|(load, _)| load)
            .collect();
        assert_eq!(
            told,
            [20, 40, 80, 160, 290, 400],
            "the knee before a doubling, and not over itself"
        );
    }

    #[test]
    fn a_short_range_is_as_it_is_and_one_load_stands_in_the_middle() {
        let along = loads(&[30, 60]);
        assert!(!along.is_log());
        let told: Vec<u32> = along.ticks(&[]).into_iter().map(|(load, _)| load).collect();
        assert_eq!(told, [30, 40, 50, 60]);
        assert_eq!(loads(&[7]).share(7), 0.5);
        assert_eq!(loads(&[7]).ticks(&[]), [(7, false)]);
        assert!(loads(&[]).share(3).is_finite());
    }

    #[test]
    fn a_narrow_page_is_told_fewer_of_many() {
        let ticks = loads(&[2, 4_000]).ticks(&[500]);
        assert!(ticks.iter().any(|(_, wide)| *wide));
        let always = ticks.iter().filter(|(_, wide)| !wide).map(|(load, _)| *load);
        assert!(
            [2, 500, 4_000]
                .iter()
                .all(|load| always.clone().any(|told| told == *load)),
            "{ticks:?}"
        );
    }
}
