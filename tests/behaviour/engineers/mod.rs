//! What engineers read of a run: the dump, the trace and the signaling, of whole runs in virtual time.

mod dump;
mod files;
mod record;
mod signaling;
mod trace;
mod well_formed;
