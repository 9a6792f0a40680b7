/// What became of a load once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everything that was asked of it held.
    Held,
    /// It did not, and the generator was well: that is the server's end.
    Broke,
    /// It did not, or less was offered than planned, and the generator was at its own end.
    Saturated,
    /// The run proves nothing, and not for its generator: evidence was lost, or less was offered. It is no try.
    Unproven,
}

/// A load that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// How much it was.
    pub load: u32,
    /// What became of it.
    pub outcome: Outcome,
}

/// Where a knee lies.
///
/// Runs of one load differ, so between a load that holds every time and one that breaks every time there may be loads
/// that do either. The interval is from the one to the other: each end was tried so many times and did the same each
/// time. Of a load that fails one time in two, three tries hold with a chance of one in eight: an end may be off by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knee {
    /// The largest load that held each time, as did all below it that were tried; `None`: even the smallest broke.
    pub holds: Option<u32>,
    /// The smallest load that broke each time, as did all above it that were tried; `None`: even the largest held.
    pub breaks: Option<u32>,
    /// Whose end it is.
    pub limit: Limit,
}

/// What gave way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// The generator was well when the server's figures were not.
    Server,
    /// The generator was at its own end: of the server it is known only that it bears what held.
    Generator,
    /// Nothing gave way up to the largest load.
    Neither,
    /// So many runs proved nothing that the search has ended: nobody knows.
    Unproven,
}

impl Knee {
    /// Of all tries. `tries`: how often an end has to do the same.
    pub(super) fn of(all: &[Tried], tries: usize) -> Self {
        let proves = |tried: &&Tried| tried.outcome != Outcome::Unproven;
        let unproven = all.iter().filter(|tried| !proves(tried)).count();
        let all: Vec<Tried> = all.iter().filter(proves).copied().collect();
        let mut loads: Vec<u32> = all.iter().map(|tried| tried.load).collect();
        loads.sort_unstable();
        loads.dedup();
        let count = |load: u32, held: bool| {
            let here = all.iter().filter(|tried| tried.load == load);
            here.filter(|tried| (tried.outcome == Outcome::Held) == held)
                .count()
        };
        let always = |held: bool| move |load: &&u32| count(**load, !held) == 0;
        let enough = |held: bool| move |load: &&u32| count(**load, held) >= tries;
        let holds = loads.iter().take_while(always(true)).filter(enough(true)).last();
        let breaks = loads
            .iter()
            .rev()
            .take_while(always(false))
            .filter(enough(false))
            .last();
        let saturated = |tried: &&Tried| tried.outcome == Outcome::Saturated;
        // At the knee itself: far above it, a server that has given way may drag the generator along.
        let nearest = breaks.copied().or_else(|| {
            let failed = all.iter().filter(|tried| tried.outcome != Outcome::Held);
            failed.map(|tried| tried.load).min()
        });
        let limit = match nearest {
            _ if unproven >= tries => Limit::Unproven,
            None => Limit::Neither,
            Some(at) => {
                let there: Vec<&Tried> = (all.iter())
                    .filter(|tried| tried.load == at && tried.outcome != Outcome::Held)
                    .collect();
                let of_generator = there.iter().copied().filter(saturated).count();
                match 2 * of_generator >= there.len() {
                    true => Limit::Generator,
                    false => Limit::Server,
                }
            }
        };
        Self {
            holds: holds.copied(),
            breaks: breaks.copied(),
            limit,
        }
    }

    /// Whether two searches can be of one knee: neither says for certain what the other says is not so.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let below = |a: &Self, b: &Self| a.breaks.zip(b.holds).is_none_or(|(breaks, holds)| holds < breaks);
        self.limit == other.limit && below(self, other) && below(other, self)
    }
}
