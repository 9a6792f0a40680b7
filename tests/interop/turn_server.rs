//! The bundled TURN server, as one that signaling servers name.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reference_server::TurnSecret;
use rtcstorm::{net::BundledTurn, scenario::TurnTransport};
use tokio::runtime::Runtime;

use crate::whep_server::Link;

/// What it checks credentials with.
pub const SECRET: &str = "that of the tests";
/// Who credentials are for.
pub const USER: &str = "whoever-plays";

/// It, and the credentials that a signaling server gives out for it.
pub struct Turn {
    runtime: Runtime,
    server: Arc<BundledTurn>,
    /// Those that it has given out.
    given: Arc<Mutex<Vec<String>>>,
}

impl Turn {
    pub fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let secret = TurnSecret::new(SECRET).expect("it is long enough");
        let server = runtime.block_on(BundledTurn::start(secret)).expect("a free port");
        Self {
            runtime,
            server,
            given: Arc::default(),
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.turn_url(TurnTransport::Udp)
    }

    /// The credentials that were given out.
    pub fn given(&self) -> Vec<String> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says where it is, with time-limited credentials that are signed with that secret.
    pub fn link(&self, signed_with: &str) -> Link {
        let mut config = self.server.config(Duration::from_secs(60));
        config.secret = TurnSecret::new(signed_with).expect("it is long enough");
        let url = self.url();
        let given = self.given.clone();
        Box::new(move || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later");
            let now_unix_ms = u64::try_from(now.as_millis()).expect("it is not that late");
            let credentials = config.credentials(USER, now_unix_ms);
            let mut given = given.lock().unwrap_or_else(PoisonError::into_inner);
            given.push(credentials.credential.clone());
            format!(
                r#"<{url}>; rel="ice-server"; username="{}"; credential="{}"; credential-type="password""#,
                credentials.username, credentials.credential
            )
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.server.shutdown();
    }
}
