//! One file per protocol: frames ↔ one neutral message.
//!
//! Pure. Knows ids; knows nothing of sockets, peers or scenarios.
