pub mod protocol;
pub mod room;
