use super::{args::CheckArgs, load::load, print_data};
use crate::{plan::Segment, verdict::ExitCode};

/// `rtcstorm check`: every mistake of every scenario, or one line that says it is sound.
pub(super) fn check(args: &CheckArgs) -> ExitCode {
    let mut sound = true;
    for named in &args.scenarios {
        match load(named, &args.change, Segment::WHOLE, None) {
            Some(loaded) => {
                let (rooms, peers) = (loaded.plan.rooms.len(), loaded.plan.peers.len());
                let links: usize = loaded
                    .plan
                    .rooms
                    .iter()
                    .map(|room| room.peers.len() * room.peers.len().saturating_sub(1) / 2)
                    .sum();
                let [rooms, peers, links] = [(rooms, "room"), (peers, "peer"), (links, "link")].map(counted);
                print_data(format!("{named}: sound ({rooms}, {peers}, {links})\n"));
            }
            None => sound = false,
        }
    }
    if sound {
        ExitCode::Pass
    } else {
        ExitCode::Configuration
    }
}

fn counted((n, what): (usize, &str)) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}
