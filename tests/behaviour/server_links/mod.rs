//! Links whose other end is the server: Janus's rooms and a server of WHIP, in virtual time.

mod proof;
mod races;
mod text_room;
mod video_room;
mod whip;

use std::time::Duration;

use rtcstorm::{
    base::{Instant, PeerId},
    metrics::EventKind,
    plan::{Action, Condition, JoinOutcome, RestartLinks, ServerFault},
    scenario::ClientRules,
    signaling::{JanusOptions, JanusPlugin, Protocol},
};

use crate::stage::{JanusServer, Script, Stage, script};

pub const ANN: PeerId = PeerId(0);
pub const BOB: PeerId = PeerId(1);

/// The names that members join under.
const NAMES: [&str; 3] = ["Ann", "Bob", "Cas"];

pub fn join() -> Action {
    joins(JoinOutcome::Accepted)
}

pub fn joins(expect: JoinOutcome) -> Action {
    Action::Join {
        name: NAMES[0].into(),
        expect,
        again: false,
    }
}

pub fn wait(condition: Condition) -> Action {
    Action::Wait {
        condition,
        within: Duration::from_secs(60),
    }
}

pub fn restart_ice() -> Action {
    Action::IceRestart {
        links: RestartLinks::All,
        both: true,
    }
}

/// The server ends, and another one is there a second later.
pub fn restart_server() -> Action {
    let away = Duration::from_secs(1);
    Action::Server(ServerFault::Restart { away })
}

/// Who joins, has a link to everybody and then takes those steps; it ends `ends_after` ms after the last anchor.
pub fn linked(steps: &[(u64, Action)], ends_after: u64) -> Script {
    let first = [(0, join()), (0, wait(Condition::Connected))];
    script(&[&first, steps].concat(), ends_after)
}

/// Who leaves again before its join is answered, and joins once more.
pub fn impatient() -> Script {
    script(
        &[
            (0, join()),
            (2, Action::Leave),
            (3, join()),
            (3, wait(Condition::Connected)),
        ],
        1_000,
    )
}

/// They arrive 10 ms after one another at a Janus with that plugin.
pub fn at_janus(plugin: JanusPlugin, rules: ClientRules, scripts: Vec<Script>) -> Stage {
    let arrivals: Vec<u64> = (0..scripts.len() as u64).map(|n| 10 * n).collect();
    let protocol = Protocol::Janus(JanusOptions { plugin });
    Stage::new(rules, &arrivals, scripts).at_server(protocol, JanusServer::default())
}

/// No invariant is broken, no wait was in vain, and nothing is left anywhere.
pub fn assert_sound(stage: &Stage) {
    assert_eq!(stage.breaches(), []);
    let expired = stage.events.iter().filter(|event| {
        matches!(
            event.kind,
            EventKind::WaitExpired { .. } | EventKind::RecoveryFailed { .. }
        )
    });
    assert_eq!(expired.collect::<Vec<_>>().len(), 0, "{:#?}", told(stage));
    assert_eq!(stage.unclosed(), 0);
    assert_eq!(stage.left_at_server(), 0);
}

/// The events in short, for whoever looks why.
pub fn told(stage: &Stage) -> Vec<String> {
    let events = stage.events.iter();
    events
        .map(|event| {
            let (peer, remote) = (event.peer.map(|it| it.0), event.remote.map(|it| it.0));
            format!(
                "{} {peer:?} {remote:?} {:?}",
                event.at.as_millis_f64(),
                event.kind
            )
        })
        .collect()
}

/// When it happened to that peer, with whom.
pub fn times(stage: &Stage, peer: PeerId, is: impl Fn(&EventKind) -> bool) -> Vec<(PeerId, u64)> {
    let of_it = stage.events.iter().filter(|event| event.peer == Some(peer));
    of_it
        .filter(|event| is(&event.kind))
        .map(|event| (event.remote.unwrap_or(PeerId::SERVER), ms(event.at)))
        .collect()
}

pub fn ms(at: Instant) -> u64 {
    at.as_micros() / 1_000
}

pub fn opened(kind: &EventKind) -> bool {
    matches!(kind, EventKind::ChannelOpened { .. })
}

pub fn recovered(kind: &EventKind) -> bool {
    matches!(kind, EventKind::LinkRecovered { .. })
}
