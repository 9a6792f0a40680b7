//! `rtcstorm probe`: a peer or a few join, and the conversation is shown step by step.

mod shown;
mod talk;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::Notify;

use self::talk::{Listener, Talk};
use super::{
    args::ChangeArgs,
    config,
    guard::{self, Allowed},
    interrupt::Interrupt,
    load,
    place::Place,
    print_data,
    target_args::TargetArgs,
};
use crate::{
    base::show_duration,
    plan::{self, Plan},
    run::{self, Options},
    scenario::{HostPattern, Scenario},
    verdict::ExitCode,
    world::{Census, Tricks},
};

/// How long the server may take to let a peer in.
const JOIN_WITHIN: &str = "10s";
/// How long peers stay if nobody says how long.
const FOR_EVER: &str = "24h";

#[derive(Debug, Clone, clap::Args)]
pub(super) struct ProbeArgs {
    /// Signaling server (ws:// or wss://; http:// or https:// where HTTP carries the protocol)
    #[arg(value_name = "URL")]
    pub url: String,

    /// What its clients speak: dashboard, janus, peerjs, simplewebrtc, whep, whip, or a file that describes it (.yaml, .yml, .json; docs/PROTOCOLS.md)
    #[arg(
        long,
        env = "RTCSTORM_PROTOCOL",
        value_name = "NAME|FILE",
        default_value = "dashboard"
    )]
    pub protocol: String,

    /// How many peers join; of two or more, every two make a link
    #[arg(long, env = "RTCSTORM_PEERS", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub peers: u32,

    /// The room's id on the wire [default: one of this probe's own]
    #[arg(long, env = "RTCSTORM_ROOM", value_name = "ID")]
    pub room: Option<String>,

    /// How long they stay (10s) [default: until Ctrl-C]
    #[arg(long = "for", env = "RTCSTORM_FOR", value_name = "TIME", value_parser = crate::base::parse_duration)]
    pub stay: Option<Duration>,

    /// Show long texts (SDP) whole
    #[arg(long, env = "RTCSTORM_FULL", value_parser = clap::builder::FalseyValueParser::new())]
    pub full: bool,

    #[command(flatten)]
    pub target: TargetArgs,

    /// Host that may be tested although it is not this machine, or `*.DOMAIN` for all below a domain; repeatable. Only
    /// what you own!
    #[arg(
        long,
        env = "RTCSTORM_ALLOW_TARGET",
        value_name = "HOST",
        value_delimiter = ',',
        value_parser = super::guard_args::host
    )]
    pub allow_target: Vec<HostPattern>,

    /// What holds for all your runs: `allowed_targets`, a list of such hosts
    /// [default: rtcstorm/config.yaml in $XDG_CONFIG_HOME or ~/.config]
    #[arg(long, env = "RTCSTORM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `rtcstorm probe`: 0 if every peer has joined.
pub(super) fn probe(args: &ProbeArgs) -> ExitCode {
    let Some(config) = config::read(args.config.as_deref()) else {
        return ExitCode::Configuration;
    };
    let allowed = Allowed::new(&args.allow_target, config);
    let Some(scenario) = scenario(args) else {
        return ExitCode::Configuration;
    };
    if !guard::is_allowed(&scenario, false, &allowed) {
        return ExitCode::Configuration;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let run_id = format!("probe{:x}", now.as_millis());
    let options = plan::Options {
        run_id: Some(run_id.clone()),
        ..plan::Options::default()
    };
    let mut plan = plan::expand(&scenario, scenario.seed.unwrap_or(0), &options);
    if let (Some(room), Some(named)) = (plan.rooms.first_mut(), &args.room) {
        room.wire_id.clone_from(named);
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::Bug;
        }
    };
    runtime.block_on(listen(args, &scenario, plan, &run_id, &allowed))
}

/// The scenario that a probe is. `None`: what is wrong has been printed.
fn scenario(args: &ProbeArgs) -> Option<Scenario> {
    let stay = args.stay.map_or(FOR_EVER.to_owned(), show_duration);
    let text = format!(
        "{{ name: probe, rooms: {{ peers: {} }}, connect_timeout: {JOIN_WITHIN}, steps: [join, {{ pause: {stay} }}] }}",
        args.peers
    );
    let change = ChangeArgs {
        url: Some(args.url.clone()),
        protocol: Some(args.protocol.clone()),
        rooms: None,
        peers: None,
        seed: None,
        duration: None,
        set: Vec::new(),
        target: args.target.clone(),
    };
    load::parse("probe", &text, &change)
}

async fn listen(
    args: &ProbeArgs,
    scenario: &Scenario,
    plan: Plan,
    run_id: &str,
    allowed: &Allowed,
) -> ExitCode {
    let interrupt = Interrupt::listen("everybody leaves");
    let plan = Arc::new(plan);
    print_data(format!("{}\n", talk::heading(&plan, &scenario.target)));
    let over = Arc::new(Notify::new());
    let talk = Arc::new(Mutex::new(Talk::new(plan.clone(), args.full, over.clone())));
    let census = Arc::new(Census::default());
    let place = Place::net(
        scenario,
        &plan,
        run_id,
        &[],
        census.clone(),
        allowed.hosts().to_vec(),
        Some(Arc::new(Listener(talk.clone()))),
    )
    .await;
    let place = match place {
        Ok(place) => place,
        Err(trouble) => {
            eprintln!("error: {trouble}");
            return ExitCode::Configuration;
        }
    };
    let by_user = interrupt.first();
    let over_ = over.clone();
    let options = Options {
        ice_servers: Vec::new(),
        tricks: Tricks::default(),
        max_rate: None,
        interrupt: Box::pin(async move {
            tokio::select! {
                () = by_user => {}
                () = over_.notified() => {}
            }
        }),
    };
    let readers: Vec<Box<dyn run::EventReader>> = vec![Box::new(Listener(talk.clone()))];
    if let Err(trouble) = place.play(census, plan, options, readers).await {
        eprintln!("error: {trouble}");
        return ExitCode::Bug;
    }
    let talk = talk.lock().unwrap_or_else(PoisonError::into_inner);
    print_data(format!("{}\n", talk.end()));
    match talk.everybody_joined() {
        true => ExitCode::Pass,
        false => ExitCode::Failed,
    }
}
