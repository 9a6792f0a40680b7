//! Charts as inline SVG, each in a figure with its title, what it says in words, and the table that it was drawn
//! from.
//!
//! Pure. Knows figures and colours by name; the colours themselves are the page's. A chart has no width of its own:
//! across it counts in percent, so that its text keeps its size from a phone to paper.

mod axis;
mod curve;
mod figure;
mod histogram;
mod loads;
mod percentiles;
mod phases;
mod sequence;
mod strip;
mod timeline;

pub(super) use curve::curve;
pub(super) use histogram::histogram;
pub(super) use percentiles::percentiles;
pub(super) use phases::phases;
pub(super) use sequence::sequence;
pub(super) use strip::strip;
pub(super) use timeline::timeline;
