//! A page with PeerJS's own client, and native peers, at a PeerJS server: none of the three is like the other.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use axum::{Router, http::header, response::Html, routing::get};
use serde_json::Value;

use crate::{
    Run,
    browser::{self, Browser, Page},
    folder, program,
    room::assert_passes,
};

/// What the page says: a short value, and one that BinaryPack needs several messages for.
const SHORT: &str = "{ greeting: 'Hello', to: ['you', 2] }";
const LONG: &str = "'y'.repeat(40000)";
/// The page's id.
const PAGE: &str = "page 1";

/// PeerJS's server, and the page of the test.
struct Server {
    url: String,
    page: String,
}

fn script(what: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/servers");
    let output = Command::new(script)
        .args([what, "peerjs"])
        .stderr(Stdio::inherit())
        .output()
        .expect("the script runs");
    assert!(output.status.success(), "{what} has failed");
    String::from_utf8(output.stdout)
        .expect("a URL is ASCII")
        .trim()
        .to_owned()
}

impl Server {
    async fn start() -> Self {
        let client = fs::read(script("file")).expect("the script has installed it");
        let script_type = [(header::CONTENT_TYPE, "text/javascript")];
        let pages = Router::new()
            .route("/", get(async || Html(include_str!("peerjs.html"))))
            .route("/peerjs.min.js", get(async move || (script_type, client.clone())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, pages).await });
        Self {
            url: script("start"),
            page: format!("http://{address}/"),
        }
    }

    fn port(&self) -> &str {
        self.url.trim_end_matches('/').rsplit(':').next().expect("a port")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        script("stop");
    }
}

/// Two who are there, talk to whoever comes from outside, and do so once more when it has come back.
fn scenario(server: &Server, serialization: &str, size: u32) -> String {
    format!(
        "
name: page-peerjs
target: {{ url: '{}', protocol: {{ peerjs: {{ serialization: {serialization} }} }} }}
rooms: {{ peers: 2 }}
steps:
  - join
  - wait: connected
  - repeat: 2
    steps:
      - wait: {{ for: external, count: 1, within: 5m }}
      - chat: {{ every: 100ms, count: 10, size: {size} }}
      - wait: {{ for: external, count: 0, within: 5m }}
thresholds:
  wait_expired: ['count==0']
  external_messages_received: ['count==8']
  external_messages_sent: ['count==40']
  messages_lost: ['count==0']
",
        server.url
    )
}

/// The ids of the natives, as soon as they are known.
async fn native_ids(folder: &Path) -> [String; 2] {
    let run = browser::until("the run is known", || {
        let said = fs::read_to_string(folder.join("out/run.json")).unwrap_or_default();
        let run = serde_json::from_str::<Value>(&said).ok();
        std::future::ready(run.and_then(|run| Some(run.get("run_id")?.as_str()?.to_owned())))
    })
    .await;
    ["0000", "0001"].map(|number| format!("{run}-p{number}"))
}

/// How many of the natives' events are of that kind.
fn count(log: &Path, kind: &str) -> usize {
    let told = fs::read_to_string(log).unwrap_or_default();
    told.matches(&format!("\"kind\":\"{kind}\"")).count()
}

async fn natives_have(log: PathBuf, kind: &str, times: usize) {
    browser::until(&format!("the natives have {kind} {times} times"), || {
        std::future::ready((count(&log, kind) >= times).then_some(()))
    })
    .await;
}

/// The page comes, talks with both, and goes by `how`.
async fn visit(page: &mut Page, server: &Server, natives: &[String; 2], serialization: &str, size: u32) {
    let remotes = format!("['{}', '{}']", natives[0], natives[1]);
    let enter = format!("enter({}, '{PAGE}', {remotes}, '{serialization}')", server.port());
    page.value(&enter).await;
    page.until("both connections are open", "open.size === 2").await;
    let long = if serialization == "binary" { LONG } else { SHORT };
    for what in [SHORT, long] {
        page.value(&format!("say({what})")).await;
    }
    for native in natives {
        let heard = format!("chats('{native}', {size}) === 10");
        page.until(&format!("{native} is heard ten times"), &heard).await;
    }
    page.value("heard.length = 0").await;
}

async fn talks(test: &str, target: &str, serialization: &str, size: u32) {
    let folder = folder(test);
    let server = Server::start().await;
    fs::write(folder.join("page.yaml"), scenario(&server, target, size)).expect("it can be written");
    let child = program(&folder, &["run", "page.yaml", "--out", "out", "--quiet"])
        .stdout(fs::File::create(folder.join("stdout")).expect("it can be written"))
        .stderr(fs::File::create(folder.join("stderr")).expect("it can be written"))
        .spawn();
    let run = Run(child.expect("the program can be started"));
    let natives = native_ids(&folder).await;
    let log = folder.join("out/events.ndjson");
    natives_have(log.clone(), "joined", 2).await;

    let browser = Browser::start(&folder).await;
    let mut page = browser.page().await;
    page.open(&server.page).await;
    visit(&mut page, &server, &natives, serialization, size).await;
    // The connections are closed with the page's id.
    page.value("leave()").await;
    natives_have(log.clone(), "external_left", 2).await;

    visit(&mut page, &server, &natives, serialization, size).await;
    // The natives close the connections, for the page asks them to.
    page.value("hangUp()").await;
    page.until("both connections are closed", "open.size === 0").await;
    page.value("leave()").await;
    assert_eq!(page.value("errors.join()").await, Value::from(""));
    page.assert_no_errors();
    assert_passes(run, &folder);
    assert_eq!(count(&log, "external_joined"), 4);
    let told = fs::read_to_string(&log).expect("events are written");
    let left = told.matches(r#""external":"page 1","reason":"left""#).count();
    assert_eq!(left, 4, "nobody had to find out that it was gone");
    let long = told.matches("\"bytes\":40003").count();
    assert_eq!(
        long,
        if serialization == "binary" { 4 } else { 0 },
        "long messages are put together"
    );
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn a_page_with_the_client_of_peerjs_talks_in_json_and_comes_back() {
    talks("peerjs-json", "json", "json", 32).await;
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn it_talks_in_binary_and_in_pieces_too() {
    talks("peerjs-binary", "binary", "binary", 16_384).await;
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn connections_carry_data_as_who_has_offered_them_says() {
    talks("peerjs-mixed", "json", "binary", 32).await;
}
