//! STUN and TURN servers of the command line.

use webrtc::peer_connection::RTCIceServer;

use crate::{
    base::{IceTransport, IceUrl},
    scenario::{Part, Template},
};

/// What `--ice-server` names, each `URL` or `URL,USER,CREDENTIAL`; `None`: what is wrong with one has been printed.
pub(super) fn ice_servers(given: &[String]) -> Option<Vec<RTCIceServer>> {
    let servers: Vec<Option<RTCIceServer>> = given.iter().map(|text| parse(text)).collect();
    servers.into_iter().collect()
}

fn parse(text: &str) -> Option<RTCIceServer> {
    let mut parts = text.split(',');
    let url = parts.next().unwrap_or_default();
    let (username, credential) = (parts.next(), parts.next());
    let known = ["stun:", "stuns:", "turn:", "turns:"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    let by_stream = url
        .parse::<IceUrl>()
        .is_ok_and(|url| url.transport != IceTransport::Udp);
    if by_stream {
        eprintln!(
            "error: --ice-server {url}: on the command line servers are asked over UDP only\n  help: name it in the scenario, `ice: {{servers: [{{urls: '{url}', …}}]}}`; there TCP and TLS go, too"
        );
        return None;
    }
    let sound = known && parts.next().is_none() && username.is_some() == credential.is_some();
    if !sound {
        eprintln!(
            "error: --ice-server {url}: not an ICE server\n  help: write `stun:host:port`, or `turn:host:port,USER,CREDENTIAL`, and for the credential where it is: `${{env:NAME}}` or `${{file:PATH}}`"
        );
        return None;
    }
    let resolved = |text: Option<&str>| match outside(text.unwrap_or_default()) {
        Ok(text) => Some(text),
        Err(why) => {
            eprintln!("error: --ice-server {url}: {why}");
            None
        }
    };
    Some(RTCIceServer {
        urls: vec![url.to_owned()],
        username: resolved(username)?,
        credential: resolved(credential)?,
    })
}

/// The text with what variables of the environment and files hold.
fn outside(text: &str) -> Result<String, String> {
    let template = Template::parse(text).map_err(|error| format!("{error}\n  help: {}", error.help()))?;
    let parts = template.0.into_iter().map(|part| match part {
        Part::Text(text) => Ok(text),
        Part::Environment(name) => std::env::var(&name).map_err(|_| {
            format!("a secret is missing\n  help: put it into the variable {name} of the environment")
        }),
        Part::File(path) => match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => Err(format!("a secret is missing: {path}: {error}")),
        },
        Part::Peer(_) | Part::Column(_) => Err(
            "it is the same for every peer: only `${env:NAME}` and `${file:PATH}` can stand here".to_owned(),
        ),
    });
    parts.collect()
}
