//! What the log says, and how little an abuser can make of it.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Instant,
};

use reference_server::{Config, RateLimit, RoomLimits, protocol::Reason, room::HubConfig};
use serde_json::json;

use crate::client::{Client, serve, until};

/// Where the lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn with(&self, words: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().expect("whole").clone()).expect("UTF-8");
        text.lines()
            .filter(|line| line.contains(words))
            .map(Into::into)
            .collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_flood_of_frames_is_no_flood_of_lines() {
    const FRAMES: u64 = 2_000;
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // The server's tasks run on this thread.
    let _guard = tracing::subscriber::set_default(subscriber);
    let started = Instant::now();
    let limits = RoomLimits {
        rate: Some(RateLimit {
            burst: 1_000,
            per_second: 0,
        }),
        ..RoomLimits::default()
    };
    let server = serve(Config {
        hub: HubConfig {
            limits,
            ..HubConfig::default()
        },
        ..Config::default()
    })
    .await;
    let mut client = Client::connect(&server.url()).await;
    for _ in 0..FRAMES {
        client
            .send(json!({"type": "user-left-room", "roomId": "secret", "userId": "a"}))
            .await;
        client.frame_of("error").await;
    }
    let refused = server.stats().hub.refused;
    assert_eq!(
        (
            refused.with(Reason::RoomNotFound),
            refused.with(Reason::RateLimited)
        ),
        (1_000, 1_000)
    );
    // A place in the code that another test's thread reaches for the first time just as our subscriber is set
    // may have been told that nobody listens.
    tracing::callsite::rebuild_interest_cache();
    drop(client);
    until("it is gone", || server.stats().hub.clients == 0).await;
    server.shutdown().await;

    let windows = started.elapsed().as_secs() / 10 + 1;
    let most = usize::try_from(20 * windows).expect("few");
    let (refused, limits) = (
        lines.with("a frame was refused"),
        lines.with("a frame hit a limit"),
    );
    assert!((20..=most).contains(&refused.len()), "{refused:#?}");
    assert!((20..=most).contains(&limits.len()), "{limits:#?}");
    assert!(
        refused[0].contains("DEBUG") && refused[0].contains(r#"reason="room-not-found""#),
        "{}",
        refused[0]
    );
    assert!(
        limits[0].contains("WARN") && limits[0].contains(r#"reason="rate-limited""#),
        "{}",
        limits[0]
    );
    let gone = lines.with("disconnected client=client-1 how=");
    assert_eq!(gone.len(), 1, "{gone:#?}");
    assert!(
        lines.with("secret").is_empty(),
        "what a frame says stays out of the log"
    );
}
