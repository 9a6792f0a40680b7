/// What the process exits with. The names of the CLI's contract; the numbers never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// All is well.
    Pass = 0,
    /// A bug of ours.
    Bug = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// A comparison shows a regression.
    Regression = 97,
    /// The run proves nothing: a threshold without samples, a saturated generator, load not offered.
    Invalid = 98,
    /// A threshold or an invariant failed.
    Failed = 99,
    /// The scenario or the configuration is wrong.
    Configuration = 104,
    /// The user interrupted the run.
    Interrupted = 105,
    /// `abortOnFail` ended the run.
    Aborted = 108,
}

impl ExitCode {
    /// From the worst to the best. `Usage` and `Regression` come from commands that run nothing; they stand
    /// beside their likes.
    pub const PRECEDENCE: [Self; 9] = [
        Self::Bug,
        Self::Usage,
        Self::Configuration,
        Self::Interrupted,
        Self::Aborted,
        Self::Invalid,
        Self::Failed,
        Self::Regression,
        Self::Pass,
    ];

    /// The code of several runs together: the first of them in [`PRECEDENCE`](Self::PRECEDENCE); `Pass` of
    /// none.
    pub fn worst(codes: impl IntoIterator<Item = Self>) -> Self {
        codes
            .into_iter()
            .min_by_key(|code| code.rank())
            .unwrap_or(Self::Pass)
    }

    /// The number that the process exits with.
    pub fn number(self) -> u8 {
        self as u8
    }

    fn rank(self) -> usize {
        let rank = Self::PRECEDENCE.iter().position(|code| *code == self);
        rank.expect("every code has its place")
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_the_first_in_the_documented_order() {
        let numbers = ExitCode::PRECEDENCE.map(ExitCode::number);
        assert_eq!(numbers, [1, 2, 104, 105, 108, 98, 99, 97, 0]);
        use ExitCode::{Aborted, Failed, Invalid, Pass};
        assert_eq!(ExitCode::worst([Pass, Failed, Invalid, Pass]), Invalid);
        assert_eq!(ExitCode::worst([Invalid, Aborted]), Aborted);
        assert_eq!(ExitCode::worst([]), Pass);
    }
}
