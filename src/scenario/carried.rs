//! Whether the protocol carries what the steps and thresholds ask for.

use std::collections::BTreeSet;

use super::{
    fields::Reader,
    ice::{Ice, IceServers},
    network::Network,
    protocol_options::JANUS_PLUGINS,
    source::Span,
    types::{RawFrames, RawSet, RelayMode, SignalingFault, Step, StepKind, Target, Threshold, WaitFor},
};
use crate::{
    impair::FrameKind,
    signaling::{Abilities, Capability, Protocol},
};

/// Reports all that asks for what the target's protocol does not carry. `networks` and `ices`: of the groups; where
/// several have the scenario's, it is reported once.
pub(super) fn check_carried<'a>(
    reader: &mut Reader<'_>,
    target: &Target,
    steps: impl Iterator<Item = &'a [Step]>,
    networks: impl Iterator<Item = &'a Network>,
    ices: impl Iterator<Item = (&'a Ice, Span)>,
    thresholds: &[Threshold],
) {
    let deployed = target.relay_mode == RelayMode::Deployed;
    let mut check = Check {
        reader,
        abilities: target.protocol.abilities_with(deployed),
        speaker: speaker(&target.protocol, deployed),
    };
    let mut seen: Vec<&Network> = Vec::new();
    for network in networks {
        // Places are part of them: what is equal stands in the same place.
        if !seen.contains(&network) {
            check.network(network);
            seen.push(network);
        }
    }
    let offered = ices.filter(|(ice, _)| ice.servers == IceServers::Offered);
    let offered: BTreeSet<Span> = offered.map(|(_, at)| at).collect();
    offered.into_iter().for_each(|at| check.offered_servers(at));
    steps.for_each(|steps| check.steps(steps));
    thresholds.iter().for_each(|threshold| check.threshold(threshold));
}

/// The protocol, and which form of it.
fn speaker(protocol: &Protocol, deployed: bool) -> String {
    match protocol {
        Protocol::Janus(options) => {
            let plugin = JANUS_PLUGINS.iter().find(|(_, plugin)| *plugin == options.plugin);
            format!("`{protocol}, {}`", plugin.map_or("", |(word, _)| word))
        }
        _ if deployed => format!("`{protocol}` in `relay_mode: deployed`"),
        _ => format!("`{protocol}`"),
    }
}

struct Check<'r, 's> {
    reader: &'r mut Reader<'s>,
    abilities: Abilities,
    speaker: String,
}

impl Check<'_, '_> {
    fn ask(&mut self, capability: Capability, at: Span, what: &str, help: &str) {
        if !self.abilities.carries(capability) {
            let message = format!("{what}: {} carries no {}", self.speaker, capability.name());
            let help = format!("{help} (docs/PROTOCOLS.md)");
            self.reader.mistake_help(at, message, help);
        }
    }

    fn threshold(&mut self, threshold: &Threshold) {
        let metric = threshold.selector.split('{').next().unwrap_or_default().trim();
        let (capability, help) = match metric {
            "joins_rejected" => (
                Capability::RefusedJoins,
                "no join is ever refused there: leave the threshold out",
            ),
            _ if metric.starts_with("external") => (
                Capability::Externals,
                "nobody from outside is linked to there: leave the threshold out",
            ),
            _ if metric.starts_with("server_connect") => (Capability::ThroughServer, self.no_server_link()),
            _ if is_of_messages(metric) => (
                Capability::Messages,
                "links carry media there: leave the threshold out",
            ),
            _ => return,
        };
        let what = format!("a threshold on `{metric}`");
        self.ask(capability, threshold.span, &what, help);
    }

    fn no_server_link(&self) -> &'static str {
        match self.abilities.topology.has_server_link() {
            true => "its one connection is the link there: ask for `connect_ms` or `connect_abandoned`",
            false => {
                "members connect to one another alone there: ask for `connect_ms` or `connect_abandoned`"
            }
        }
    }

    /// What lies towards single remotes.
    fn network(&mut self, network: &Network) {
        let with = network.to.first().and_then(|towards| towards.with.first());
        if let Some(party) = with {
            self.ask(
                Capability::MutualPaths,
                party.span,
                "`network` with `to`",
                "every datagram goes to the server or comes from it: write what lies before it without `to`",
            );
        }
    }

    fn offered_servers(&mut self, at: Span) {
        let help = "its servers tell nobody of any: name those that peers are to use";
        self.ask(Capability::IceServers, at, "`ice` with `servers: offered`", help);
    }

    fn signaling(&mut self, fault: &SignalingFault, at: Span) {
        if let Some(party) = fault.with.first() {
            let help = "each frame has to do with the server alone: leave `with` out";
            self.ask(Capability::Members, party.span, "`signaling` with `with`", help);
        }
        for kind in &fault.of {
            if let Some(capability) = needed(*kind) {
                let what = format!("`signaling` of `{}` frames", kind.name());
                self.ask(
                    capability,
                    at,
                    &what,
                    "there are no such frames: name others in `of`",
                );
            }
        }
    }

    fn offers(&mut self, at: Span, step: &str) {
        let help = "each description is between a member and the server: leave the step out";
        self.ask(Capability::MutualOffers, at, &format!("`{step}`"), help);
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        let nobody = "nobody is refused there: leave `rejected` out, or play it where somebody is (`relay_mode: rooms`)";
        match &step.kind {
            StepKind::Repeat { steps, .. } => self.steps(steps),
            StepKind::Join {
                expect_rejected: true,
            } => {
                self.ask(
                    Capability::RefusedJoins,
                    step.span,
                    "`join: {expect: rejected}`",
                    nobody,
                );
            }
            StepKind::Wait {
                target: WaitFor::Rejected,
                ..
            } => self.ask(Capability::RefusedJoins, step.span, "`wait: rejected`", nobody),
            StepKind::SendRaw(RawFrames::Set(RawSet::Misplaced)) => {
                let help = "send a `text` of your own, or another `set`; a description lists such frames under `send: {misplaced: [...]}`";
                self.ask(
                    Capability::Misplaced,
                    step.span,
                    "`send_raw: {set: misplaced}`",
                    help,
                );
            }
            StepKind::Wait {
                target: WaitFor::ConnectedToPresent,
                ..
            } => self.ask(
                Capability::Members,
                step.span,
                "`wait: {for: connected, to: present}`",
                "there is the server alone to connect to: say `wait: connected`",
            ),
            StepKind::Wait {
                target: WaitFor::External { .. },
                ..
            } => self.ask(
                Capability::Externals,
                step.span,
                "`wait: external`",
                "nobody from outside is linked to there: leave the step out",
            ),
            StepKind::Chat { .. } => {
                let help = "links carry media there: leave the step out, or `pause` instead";
                self.ask(Capability::Messages, step.span, "`chat`", help);
            }
            StepKind::Glare { .. } => self.offers(step.span, "glare"),
            StepKind::DuplicateOffer { .. } => self.offers(step.span, "duplicate_offer"),
            StepKind::DuplicateAnswer { .. } => self.offers(step.span, "duplicate_answer"),
            StepKind::StaleOffer { .. } => self.offers(step.span, "stale_offer"),
            StepKind::JoinTwice => self.offers(step.span, "join_twice"),
            StepKind::DropNetwork(drop) => {
                if let Some(party) = drop.with.first() {
                    let help = "every datagram goes to the server or comes from it: leave `with` out";
                    self.ask(
                        Capability::MutualPaths,
                        party.span,
                        "`drop_network` with `with`",
                        help,
                    );
                }
            }
            StepKind::Network(network) => self.network(network),
            StepKind::Signaling(fault) => self.signaling(fault, step.span),
            _ => {}
        }
    }
}

/// Whether a metric counts or times what links carry as messages.
fn is_of_messages(metric: &str) -> bool {
    metric.starts_with("message") || metric == "outage_message_failed"
}

/// What has to be carried for there to be frames of that kind.
fn needed(kind: FrameKind) -> Option<Capability> {
    match kind {
        FrameKind::Candidate => Some(Capability::Candidates),
        FrameKind::Ping | FrameKind::Pong => Some(Capability::Pings),
        FrameKind::Welcome => Some(Capability::ConfirmedJoins),
        FrameKind::JoinRejected => Some(Capability::RefusedJoins),
        FrameKind::MemberJoined => Some(Capability::Newcomers),
        FrameKind::MemberLeft => Some(Capability::Departures),
        FrameKind::Roster => Some(Capability::Rosters),
        FrameKind::Offer
        | FrameKind::Answer
        | FrameKind::Join
        | FrameKind::Leave
        | FrameKind::Error
        | FrameKind::Other => None,
    }
}
