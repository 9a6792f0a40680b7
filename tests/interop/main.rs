//! rtcstorm against real servers that nobody here wrote. `tests/interop/run` installs them and runs these.

mod janus;
mod peerjs;
#[allow(dead_code)]
#[path = "../behaviour/cli/program.rs"]
mod program;
mod server;
mod simplewebrtc;
mod turn_server;
mod whep;
mod whep_runs;
mod whep_server;
mod whep_turn;
mod whip;
