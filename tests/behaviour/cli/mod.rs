//! The program as a user meets it: exit codes, what goes to stdout and to stderr, what lies in the folder.

mod abort;
mod bad_servers;
mod capacity;
#[cfg(target_os = "linux")]
mod capacity_interrupt;
mod check;
mod compare;
mod control;
mod door;
mod guard;
mod http;
mod hunt;
#[cfg(unix)]
mod ice_fetch;
#[cfg(unix)]
mod interrupt;
mod junit;
mod language;
mod live;
mod merge;
mod otlp;
#[cfg(unix)]
mod pace;
mod page;
mod probe;
pub mod program;
mod published;
mod report;
mod report_formats;
mod report_samples;
mod report_schemas;
mod run;
#[cfg(unix)]
mod secrets;
mod secure;
mod session_schemas;
mod simulation;
#[cfg(unix)]
mod target;
mod trust;
#[cfg(unix)]
mod wreckage;

/// Two peers who come together and go; judged by nothing that depends on the machine's speed.
const QUICK: &str = "
name: quick
rooms: { peers: 2 }
steps: [join, { wait: connected }]
thresholds: { connect_failed: ['rate<0.01'], joins_started: ['count==2'] }
";

/// Two peers who come together and stay for an hour.
const LONG: &str = "
name: long
rooms: { peers: 2 }
steps: [join, { wait: connected }, { pause: 1h }]
thresholds: { joins_started: ['count==2'] }
";

/// Ended by its threshold as soon as a window is over.
const EARLY: &str = "
name: early
warm_up: 1s
rooms: { peers: 2 }
steps: [join, { wait: connected }, { chat: { every: 100ms, size: 9, for: 9s } }]
thresholds:
  message_ms: [{ threshold: 'max<0.001', window: 1s, abortOnFail: true }]
";
