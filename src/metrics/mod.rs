//! What happened ([`RunEvent`]) and what it adds up to ([`Snapshot`]), by the definitions of the
//! [`CATALOGUE`]. [`Recorder`] leads from the one to the other.
//!
//! Pure. Knows ids, instants and the plan (who is expected where, time-outs); knows nothing of where events
//! come from or who reads the numbers.

mod counts;
mod crash;
mod deadlines;
mod event;
mod externals;
mod failures;
mod fault;
#[cfg(test)]
mod fault_stories;
mod faults;
mod growth;
mod join_story;
mod joins;
mod link_event;
mod live;
mod members;
mod messages;
mod metric;
mod names;
mod outages;
mod overlap;
mod pairs;
mod phases;
#[cfg(test)]
mod properties;
mod recorder;
#[cfg(test)]
mod recorder_stories;
mod renumber;
mod resumptions;
mod seqs;
mod server_links;
mod snapshot;
#[cfg(test)]
mod story;
mod subject;
mod tags;
mod tally;
mod timed;
mod timeline;
mod trend;
#[cfg(test)]
mod warm_up_stories;
mod watched;

pub use event::*;
pub use failures::{Failures, MAX_FAILURES};
pub use growth::{Growth, Slope};
pub use join_story::{JoinStories, JoinStory, LinkStory};
pub use joins::FailedJoin;
pub use live::Live;
pub use metric::{Kind, Metric, Tag, Unit};
pub use names::CATALOGUE;
pub use outages::{Outage, OutageKey, OutageLength};
pub use recorder::Recorder;
pub use renumber::Numbers;
pub use snapshot::{MetricKey, Rate, Snapshot};
pub use timeline::{FaultBand, RoomCell, RoomLine, Slice, Timeline, TimelineRecorder};
pub use trend::Trend;
pub use watched::{Sample, SampleValue};
