use std::{fmt::Write, time::Duration};

use super::{
    Action, Condition, Cut, DropNetwork, FrameRule, JoinOutcome, Network, PeerPlan, Plan, RawFrames, RawSet,
    RestartLinks, Scope, ServerFault, SleepingClock, SocketOnRoam, Ways,
};
use crate::{
    base::{Fraction, PeerId, Size, show_duration},
    impair::{Corruption, Nat, Treatment},
    scenario::{Ice, IcePolicy, IceServers, TurnFault, TurnTransport},
};

/// A plan for people: per room its barriers, per peer what it does and when. An instant that is known is
/// told from the run's start (`1.25s`), others from what they wait for (`wait 1 + 2s`).
pub fn show(plan: &Plan) -> String {
    let mut text = String::new();
    let count = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        _ => format!("{n} {what}s"),
    };
    let (rooms, peers) = (count(plan.rooms.len(), "room"), count(plan.peers.len(), "peer"));
    let mut line = |indent: usize, words: &str| {
        writeln!(text, "{:indent$}{words}", "").expect("a string takes everything");
    };
    line(
        0,
        &format!("{}, seed {}: {rooms}, {peers}", plan.scenario, plan.seed),
    );
    if !plan.warm_up.is_zero() {
        let warm_up = show_duration(plan.warm_up);
        line(0, &format!("what begins before {warm_up} leaves no sample"));
    }
    if let Some(duration) = plan.duration {
        line(0, &format!("everybody leaves after {}", show_duration(duration)));
    }
    for room in &plan.rooms {
        line(0, "");
        line(0, &room.wire_id);
        for barrier in plan.barriers.iter().filter(|barrier| barrier.room == room.id) {
            let parties: Vec<&str> = barrier
                .parties
                .iter()
                .map(|peer| plan.peers[peer.index()].user_id.as_str())
                .collect();
            line(2, &format!("barrier {}: {}", barrier.name, parties.join(" ")));
        }
        for peer in room.peers.iter().map(|peer| &plan.peers[peer.index()]) {
            let group = peer
                .group
                .as_ref()
                .map(|group| format!(" ({group})"))
                .unwrap_or_default();
            let arrival = show_duration(peer.arrive_at.elapsed());
            let network = match peer.network.is_none() {
                true => String::new(),
                false => format!(", network: {}", network(plan, &peer.network)),
            };
            let nat = peer.nat.map(|nat| format!(", behind {}", shown_nat(&nat)));
            let nat = nat.unwrap_or_default();
            line(
                2,
                &format!(
                    "{}{group} arrives at {arrival}{network}{nat}{}",
                    peer.user_id,
                    ice(&peer.ice)
                ),
            );
            let rows = rows(plan, peer);
            let width = rows
                .iter()
                .map(|(when, _)| when.chars().count())
                .max()
                .unwrap_or(0);
            for (when, what) in rows {
                line(4, &format!("{when:<width$}  {what}"));
            }
        }
    }
    text
}

/// `a symmetric NAT, lifetime 30s`.
fn shown_nat(nat: &Nat) -> String {
    let default = Nat::of(nat.kind);
    let name = nat.kind.name().replace('_', "-");
    let article = if name.starts_with('a') { "an" } else { "a" };
    let mut text = match nat.shared {
        false => format!("{article} {name} NAT"),
        true => format!("{article} {name} NAT with the others of the group"),
    };
    if nat.lifetime != default.lifetime {
        text += &format!(", lifetime {}", show_duration(nat.lifetime));
    }
    if !nat.hairpinning {
        text += ", no hairpinning";
    }
    if nat.preserves_ports {
        text += ", ports preserved";
    }
    text
}

/// `, ICE by relays of the bundled server over TCP`.
fn ice(ice: &Ice) -> String {
    let whose = match &ice.servers {
        IceServers::None => return String::new(),
        IceServers::Bundled => "the bundled server".to_owned(),
        IceServers::Offered => "what the signaling server offers".to_owned(),
        IceServers::Named(servers) => {
            let urls = servers.iter().flat_map(|server| &server.urls);
            let urls = urls.map(ToString::to_string);
            let unknown = ice
                .fetches()
                .filter(|_| servers.iter().any(|server| server.urls.is_empty()));
            let unknown = unknown.map(|fetch| format!("what {} tells", fetch.host()));
            urls.chain(unknown).collect::<Vec<_>>().join(" ")
        }
    };
    let how = match ice.policy {
        IcePolicy::All => "with",
        IcePolicy::Relay => "only by relays of",
    };
    let over = match ice.transport {
        TurnTransport::Udp => "",
        TurnTransport::Tcp => " over TCP",
        TurnTransport::Tls => " over TLS",
    };
    format!(", ICE {how} {whose}{over}")
}

fn rows(plan: &Plan, peer: &PeerPlan) -> Vec<(String, String)> {
    // What the next offsets count from: the arrival, while its instant is known.
    let mut anchor: Option<String> = None;
    let mut waits = 0;
    let mut rows = Vec::new();
    let when = |anchor: &Option<String>, after| match anchor {
        None => show_duration(peer.arrive_at.elapsed() + after),
        Some(name) => format!("{name} + {}", show_duration(after)),
    };
    for step in &peer.script {
        let instant = when(&anchor, step.after);
        let what = match &step.action {
            Action::Join { name, expect, again } => {
                let again = if *again { " again" } else { "" };
                match expect {
                    JoinOutcome::Accepted => format!("join{again} as \"{name}\""),
                    JoinOutcome::Rejected => format!("join{again} as \"{name}\", to be rejected"),
                }
            }
            Action::JoinTwice { name, again } => {
                let again = if *again { " again" } else { "" };
                format!("join{again} as \"{name}\", twice at once")
            }
            Action::Leave => "leave".to_owned(),
            Action::Wait { condition, within } => {
                waits += 1;
                anchor = Some(format!("wait {waits}"));
                let condition = match condition {
                    Condition::External { count: 0 } => "nobody from outside is left",
                    Condition::External { count: 1 } => "data comes from a member from outside",
                    Condition::External { count } => &format!("data comes from {count} members from outside"),
                    Condition::Connected => "connected",
                    Condition::ConnectedToPresent => "connected to those present",
                    Condition::Joined => "joined",
                    Condition::Rejected => "rejected",
                    Condition::Recovered => "recovered",
                };
                format!(
                    "wait {waits}: until {condition}, at most {}",
                    show_duration(*within)
                )
            }
            Action::Barrier { barrier, within } => {
                let name = &plan.barriers[barrier.index()].name;
                anchor = Some(name.clone());
                format!("barrier {name}, at most {}", show_duration(*within))
            }
            Action::Chat { every, count, size } => {
                let size = Size(u64::from(*size));
                format!(
                    "chat: {count} messages of {size}, every {}",
                    show_duration(*every)
                )
            }
            other => fault(plan, other),
        };
        rows.push((instant, what));
    }
    rows.push((when(&anchor, peer.ends_after), "end".to_owned()));
    rows
}

/// A link, and what lies beyond it.
fn network(plan: &Plan, network: &Network) -> String {
    let mut text = network.link.to_string();
    for path in &network.to {
        let names: Vec<&str> = path
            .with
            .iter()
            .map(|peer| plan.peers[peer.index()].user_id.as_str())
            .collect();
        write!(text, "; to {}: {}", names.join(" "), path.link).expect("a string takes everything");
    }
    text
}

/// A step that breaks something, or negotiates anew.
fn fault(plan: &Plan, action: &Action) -> String {
    match action {
        Action::DuplicateOffer {
            copies,
            within,
            afresh,
        } => format!("offer anew, {}", again(*copies, *within, *afresh)),
        Action::DuplicateAnswer {
            copies,
            within,
            lasting,
            afresh,
        } => format!(
            "for {} send every answer with {}",
            show_duration(*lasting),
            again(*copies, *within, *afresh)
        ),
        Action::Signaling { rule, lasting } => signaling(plan, rule, *lasting),
        Action::Glare { with } => format!("offer together with the other end{}", towards(plan, with)),
        Action::StaleOffer { with } => {
            format!("send offers of the last membership{}", towards(plan, with))
        }
        Action::SendRaw { frames } => match frames {
            RawFrames::Text { text, times: 1 } => format!("send {text:?} as it is"),
            RawFrames::Text { text, times } => format!("send {text:?} as it is, {times} times"),
            RawFrames::Set(RawSet::Garbage) => "send garbage".to_owned(),
            RawFrames::Set(RawSet::Misplaced) => "send misplaced frames".to_owned(),
            RawFrames::Set(RawSet::Oversized) => "send an oversized frame".to_owned(),
        },
        Action::IceRestart { links, both } => {
            let which = match links {
                RestartLinks::All => "every link",
                RestartLinks::One => "one link",
            };
            let ends = if *both { ", both ends" } else { "" };
            format!("restart ICE on {which}{ends}")
        }
        Action::DropNetwork(what) => drop_network(plan, what),
        Action::BlockUdp { lasting: None } => "block UDP until the end".to_owned(),
        Action::BlockUdp { lasting: Some(time) } => format!("block UDP for {}", show_duration(*time)),
        Action::Roam { signaling } => {
            let signaling = match signaling {
                SocketOnRoam::Broken => "broken",
                SocketOnRoam::Silent => "silent",
                SocketOnRoam::Kept => "kept",
            };
            format!("move to another network, signaling {signaling}")
        }
        Action::NatRebind => "have the UDP sockets mapped anew".to_owned(),
        Action::Suspend { lasting, clock } => {
            let clock = match clock {
                SleepingClock::Stops => "stops",
                SleepingClock::Jumps => "jumps",
            };
            format!("sleep for {}, the clock {clock}", show_duration(*lasting))
        }
        Action::Network { network } => format!("network: {}", self::network(plan, network)),
        Action::CutSignaling { how } => {
            let how = match how {
                Cut::Closed => "closed",
                Cut::Reset => "reset",
                Cut::Silent => "silent",
            };
            format!("cut the signaling socket: {how}")
        }
        Action::Crash => "crash".to_owned(),
        Action::Server(fault) => server(*fault),
        Action::Turn { fault } => turn(*fault),
        Action::Join { .. }
        | Action::JoinTwice { .. }
        | Action::Leave
        | Action::Wait { .. }
        | Action::Barrier { .. }
        | Action::Chat { .. } => unreachable!("shown where the anchors are"),
    }
}

fn drop_network(plan: &Plan, what: &DropNetwork) -> String {
    let sockets = match what.scope {
        Scope::Media => "media",
        Scope::Signaling => "signaling",
        Scope::Both => "signaling and media",
    };
    let way = match what.direction {
        Ways::Both => "",
        Ways::Out => " going out",
        Ways::In => " coming in",
    };
    let named = what
        .with
        .iter()
        .map(|peer| plan.peers[peer.index()].user_id.as_str());
    let named: Vec<&str> = named.chain(what.server_lost.then_some("the server")).collect();
    let whom = match named.as_slice() {
        [] => String::new(),
        some => format!(" towards {}", some.join(" ")),
    };
    let time = show_duration(what.lasting);
    format!("drop the network ({sockets}{way}{whom}) for {time}")
}

fn server(fault: ServerFault) -> String {
    match fault {
        ServerFault::Restart { away: Duration::ZERO } => "restart the server".to_owned(),
        ServerFault::Restart { away } => {
            format!("restart the server, away for {}", show_duration(away))
        }
        ServerFault::Pause { lasting } => format!("pause the server for {}", show_duration(lasting)),
        ServerFault::Crash { away: None } => "crash the server, for good".to_owned(),
        ServerFault::Crash { away: Some(away) } => {
            format!("crash the server, away for {}", show_duration(away))
        }
        ServerFault::Slow { by, lasting } => {
            let (by, lasting) = (show_duration(by), show_duration(lasting));
            format!("slow the server by {by} a frame, for {lasting}")
        }
    }
}

/// What is done to the STUN and TURN server.
fn turn(fault: TurnFault) -> String {
    match fault {
        TurnFault::Stop { away: None } => "stop TURN".to_owned(),
        TurnFault::Stop { away: Some(away) } => format!("stop TURN for {}", show_duration(away)),
        TurnFault::Quota(most) => format!("TURN allows each user {most} allocations"),
        TurnFault::Lifetime(time) => format!("TURN grants allocations for {}", show_duration(time)),
    }
}

fn towards(plan: &Plan, with: &[PeerId]) -> String {
    let named = with.iter().map(|peer| plan.peers[peer.index()].user_id.as_str());
    match named.collect::<Vec<_>>()[..] {
        [] => String::new(),
        ref some => format!(" towards {}", some.join(" ")),
    }
}

fn signaling(plan: &Plan, rule: &FrameRule, lasting: Option<Duration>) -> String {
    let what = match rule.treatment {
        Treatment::Drop => "drop".to_owned(),
        Treatment::Delay(range) => format!("delay by {range}"),
        Treatment::Reorder => "reorder".to_owned(),
        Treatment::Duplicate => "duplicate".to_owned(),
        Treatment::Corrupt(Corruption::Text) => "break the text of".to_owned(),
        Treatment::Corrupt(Corruption::Sdp) => "break the description in".to_owned(),
    };
    let kinds: Vec<&str> = rule.of.iter().map(|kind| kind.name()).collect();
    let which = match kinds[..] {
        [] => "frame".to_owned(),
        _ => format!("{} frame", kinds.join(" and ")),
    };
    let share = match rule.share == Fraction::WHOLE {
        true => "every".to_owned(),
        false => format!("{} of every", rule.share),
    };
    let way = rule
        .way
        .map(|way| format!(" going {}", way.name()))
        .unwrap_or_default();
    let whom = towards(plan, &rule.with).replace("towards", "of");
    let time = lasting
        .map(|time| format!(" for {}", show_duration(time)))
        .unwrap_or_default();
    let count = rule.count.map(|n| format!(", {n} at most")).unwrap_or_default();
    format!("{what} {share} {which}{way}{whom}{time}{count}")
}

/// `3 copies within 50ms`.
fn again(copies: u32, within: Duration, afresh: bool) -> String {
    let as_frames = if afresh { " as other frames" } else { "" };
    let copies = match copies {
        1 => format!("1 copy{as_frames}"),
        _ => format!("{copies} copies{as_frames}"),
    };
    match within {
        Duration::ZERO => format!("{copies} at once"),
        _ => format!("{copies} within {}", show_duration(within)),
    }
}
