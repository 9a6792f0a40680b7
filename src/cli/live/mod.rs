//! `--live`: the page of a run that is under way, and its figures for Prometheus.
//!
//! Looks at what is gathered, never at a peer: it has a thread of its own, and makes a report so far at most once a
//! second, only while somebody reads it.

mod address;
mod board;
mod events;
mod page;
mod routes;
mod server;
mod view;

pub(super) use address::LiveAddress;
pub(super) use board::{Board, Outset};
pub(super) use server::LivePage;
