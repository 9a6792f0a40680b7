//! Which STUN and TURN servers a connection uses, and when it is told.

use std::sync::Arc;

use webrtc::peer_connection::{
    PeerConnection, RTCConfiguration, RTCConfigurationBuilder, RTCIceServer, RTCIceTransportPolicy,
    RTCSessionDescription,
};

use super::connection::Stack;
use crate::{
    base::PeerId,
    scenario::{Ice, IceAccount, IcePolicy, IceServer, IceServers},
    signaling::{Abilities, OfferedIceServer, OffersIce},
};

/// How a connection finds a path, and as whom.
#[derive(Clone, Default)]
pub(super) struct Path {
    pub ice: Ice,
    /// The user's id on the wire.
    pub user: String,
    /// Its servers come with the answer to its first offer.
    pub waits: bool,
}

/// Whether a connection's servers come with the answer to its first offer.
pub(super) fn waits_for_answer(ice: &Ice, abilities: &Abilities, offerer: bool) -> bool {
    offerer && ice.servers == IceServers::Offered && abilities.offers_ice == OffersIce::WithAnswer
}

/// What a signaling server has offered, without what is no URL of a STUN or TURN server.
pub(super) fn offered(servers: &[OfferedIceServer]) -> Vec<IceServer> {
    let usable = servers.iter().map(|server| IceServer {
        urls: server.urls.iter().filter_map(|url| url.parse().ok()).collect(),
        account: match (&server.username, &server.credential) {
            (Some(username), Some(credential)) => IceAccount::LongTerm {
                username: username.clone(),
                credential: credential.clone(),
            },
            _ => IceAccount::None,
        },
    });
    usable.filter(|server| !server.urls.is_empty()).collect()
}

/// What a connection begins with.
///
/// # Errors
/// In words: servers had to be fetched, and that has failed; or none of those that were offered is of use.
pub(super) async fn configuration(
    stack: &Stack,
    peer: PeerId,
    path: &Path,
) -> Result<RTCConfiguration, String> {
    if !path.waits {
        return known(stack, peer, path).await;
    }
    let mut servers = stack.ice_servers.clone();
    if path.ice.policy == IcePolicy::Relay {
        servers.push(placeholder());
    }
    Ok(with_servers(servers, path))
}

/// The stack makes no connection of relays alone without a TURN server, and its ICE agent never learns of the policy
/// later. This one is replaced before anybody is asked.
fn placeholder() -> RTCIceServer {
    RTCIceServer {
        urls: vec!["turn:unknown.invalid:3478".to_owned()],
        username: "unknown".to_owned(),
        credential: "unknown".to_owned(),
    }
}

/// Credentials hold from now on, and for this connection. An ICE restart keeps them: coturn takes no others for an
/// allocation that is there (441), and the stack asks from the same socket again.
///
/// Without any server, who is behind a NAT asks the one of its world for its address.
async fn known(stack: &Stack, peer: PeerId, path: &Path) -> Result<RTCConfiguration, String> {
    let servers = stack.world.ice_servers(peer, &path.ice, &path.user).await;
    let mut servers = servers.map_err(|end| end.to_string())?;
    servers.extend(stack.ice_servers.iter().cloned());
    if servers.is_empty() {
        servers.extend(stack.world.stun_url(peer).map(|url| RTCIceServer {
            urls: vec![url],
            ..RTCIceServer::default()
        }));
    }
    let mut urls = servers.iter().flat_map(|server| &server.urls);
    let only_relays = path.ice.policy == IcePolicy::Relay && path.ice.servers == IceServers::Offered;
    if only_relays && !urls.any(|url| url.starts_with("turn")) {
        return Err("the signaling server has offered no TURN server, and only relays are used".to_owned());
    }
    Ok(with_servers(servers, path))
}

fn with_servers(servers: Vec<RTCIceServer>, path: &Path) -> RTCConfiguration {
    let policy = match path.ice.policy {
        IcePolicy::All => RTCIceTransportPolicy::All,
        IcePolicy::Relay => RTCIceTransportPolicy::Relay,
    };
    RTCConfigurationBuilder::new()
        .with_ice_servers(servers)
        .with_ice_transport_policy(policy)
        .build()
}

/// A connection whose servers come with the answer to its first offer. As in a browser, the offer is sent as it was made,
/// and only then set: that is when candidates are gathered.
pub(super) struct Late {
    stack: Arc<Stack>,
    peer: PeerId,
    path: Path,
    /// The newest, which is not set.
    pub offer: Option<RTCSessionDescription>,
}

impl Late {
    /// `None`: its servers are known.
    pub fn of(stack: &Arc<Stack>, peer: PeerId, path: &Path) -> Option<Self> {
        path.waits.then(|| Self {
            stack: stack.clone(),
            peer,
            path: path.clone(),
            offer: None,
        })
    }

    /// The answer has come, and with it the servers.
    pub async fn configure(&self, connection: &dyn PeerConnection) -> Result<(), webrtc::error::Error> {
        let known = known(&self.stack, self.peer, &self.path).await;
        let configuration = known.map_err(webrtc::error::Error::Other)?;
        connection.set_configuration(configuration).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_of_a_server_is_not_used_and_half_an_account_is_none() {
        let server = |urls: &[&str], username: Option<&str>, credential: Option<&str>| OfferedIceServer {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            username: username.map(str::to_owned),
            credential: credential.map(str::to_owned),
        };
        let servers = offered(&[
            server(&["http://a", "turn:a:3478?transport=tcp"], Some("u"), Some("c")),
            server(&["stun://a"], None, None),
            server(&["stun:b"], Some("u"), None),
        ]);
        let seen: Vec<(Vec<String>, bool)> = servers
            .iter()
            .map(|server| {
                let urls = server.urls.iter().map(ToString::to_string).collect();
                (urls, server.account != IceAccount::None)
            })
            .collect();
        let text = |url: &str| vec![url.to_owned()];
        assert_eq!(
            seen,
            [
                (text("turn:a:3478?transport=tcp"), true),
                (text("stun:b:3478"), false)
            ]
        );
    }
}
