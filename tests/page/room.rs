//! Native peers and browsers in one room, by the page of the reference server.

use std::{fs, path::Path, process::Stdio};

use serde_json::Value;

use crate::{
    Run,
    browser::{self, Browser, Page},
    checks::{Charts, look},
    folder, program,
};

/// One native is there before the page and one after it; the page leaves and comes back, and then a native does.
const SCENARIO: &str = "
name: mixed
about: Natives and a browser talk in one room, in both orders of joining.
rooms: { count: 1 }
groups:
  - name: early
    peers: 1
    steps:
      - join
      - wait: { for: external, count: 1, within: 5m }
      - barrier: { name: met, within: 5m }
      - wait: { for: connected, within: 5m }
      - chat: { every: 100ms, count: 30, size: 32 }
      - wait: { for: external, count: 0, within: 5m }
      - barrier: { name: gone, within: 5m }
      - wait: { for: external, count: 1, within: 5m }
      - barrier: { name: back, within: 5m }
      - barrier: { name: together, within: 5m }
      - chat: { every: 100ms, count: 30, size: 32 }
      - wait: { for: external, count: 0, within: 5m }
  - name: late
    peers: 1
    steps:
      - barrier: { name: met, within: 5m }
      - join
      - wait: { for: connected, within: 5m }
      - wait: { for: external, count: 1, within: 5m }
      - chat: { every: 100ms, count: 30, size: 32 }
      - wait: { for: external, count: 0, within: 5m }
      - barrier: { name: gone, within: 5m }
      - leave
      - barrier: { name: back, within: 5m }
      - join
      - wait: { for: connected, within: 5m }
      - wait: { for: external, count: 1, within: 5m }
      - barrier: { name: together, within: 5m }
      - chat: { every: 100ms, count: 30, size: 32 }
      - wait: { for: external, count: 0, within: 5m }
thresholds:
  wait_expired: ['count==0']
  barrier_expired: ['count==0']
  external_messages_received: ['count==6']
  external_messages_sent: ['count>0']
";

/// A native meets whoever comes, and once more after they were gone.
const DEPLOYED: &str = "
name: mixed-deployed
target: { relay_mode: deployed }
rooms: { peers: 1 }
steps:
  - join
  - repeat: 2
    steps:
      - wait: { for: external, count: 1, within: 5m }
      - chat: { every: 100ms, count: 20, size: 32 }
      - wait: { for: external, count: 0, within: 5m }
thresholds:
  wait_expired: ['count==0']
  external_messages_received: ['count==2']
  external_messages_sent: ['count>0']
";

/// Natives that come when the page has been in the room for a while, and do what it takes to know that they hear it.
fn after_the_page(mode: &str) -> String {
    format!(
        "
name: page-first
target: {{ relay_mode: {mode} }}
rooms: {{ peers: 2 }}
steps:
  - pause: {NATIVES_COME_AFTER_S}s
  - join
  - wait: {{ for: connected, within: 5m }}
  - wait: {{ for: external, count: 1, within: 5m }}
  - barrier: {{ name: met, within: 5m }}
  - chat: {{ every: 100ms, count: 20, size: 32 }}
  - wait: {{ for: external, count: 0, within: 5m }}
  - barrier: {{ name: gone, within: 5m }}
  - wait: {{ for: external, count: 1, within: 5m }}
  - barrier: {{ name: back, within: 5m }}
  - chat: {{ every: 100ms, count: 20, size: 32 }}
  - wait: {{ for: external, count: 0, within: 5m }}
thresholds:
  wait_expired: ['count==0']
  barrier_expired: ['count==0']
  externals_joined: ['count==4']
  external_connect_ms: ['max<30000']
  external_channels_opened: ['count==4']
  external_messages_received: ['count==4']
  external_messages_sent: ['count>0']
"
    )
}

/// By then a browser is in the room, on any machine that can be used.
const NATIVES_COME_AFTER_S: u64 = 20;

/// How many peers the members' list shows as connected.
const CONNECTED: &str = "document.querySelectorAll('#members li[data-state=open]').length";

/// Notes what descriptions the page takes, by their types.
const NOTE_TAKEN: &str = "(() => {
    const take = RTCPeerConnection.prototype.setRemoteDescription;
    window.taken = [];
    RTCPeerConnection.prototype.setRemoteDescription = function (description) {
        window.taken.push(description.type);
        return take.call(this, description);
    };
    return true;
})()";

fn has_heard(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('#messages li:not(.mine):not(.note) .who span')].some((who) => who.textContent === '{name}')"
    )
}

/// The first line of a file that begins so, less that.
async fn line_in(file: &Path, begin: &str) -> String {
    browser::until(&format!("a line `{begin}`"), || {
        let said = fs::read_to_string(file).unwrap_or_default();
        let line = said.lines().find_map(|line| line.strip_prefix(begin));
        std::future::ready(line.map(str::to_owned))
    })
    .await
}

/// Joins by the form, with the keyboard.
async fn join(page: &mut Page, name: &str) {
    page.write("#name", name).await;
    page.key("Enter").await;
}

async fn say(page: &mut Page, text: &str) {
    page.write("#text", text).await;
    page.key("Enter").await;
}

async fn leave(page: &mut Page) {
    page.key_on("#leave", "Enter").await;
    page.until("it is outside", "!document.getElementById('join').hidden")
        .await;
}

async fn hears_both(page: &mut Page) {
    for name in ["early-1", "late-1"] {
        page.until(&format!("{name} is heard"), &has_heard(name)).await;
    }
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn a_browser_and_native_peers_talk_in_one_room_and_after_a_rejoin_too() {
    let folder = folder("mixed");
    let (run, url) = natives(&folder, SCENARIO).await;

    let browser = Browser::start(&folder).await;
    let mut page = browser.page().await;
    page.open(&url).await;
    page.until("it is watched", NOTE_TAKEN).await;
    // A name that a native has, in other letters: said at once, and nothing is lost by it.
    page.until(
        "the native is in the room",
        "fetch('api/rooms').then((a) => a.json()).then(({rooms}) => rooms.length === 1)",
    )
    .await;
    join(&mut page, "EARLY-1").await;
    page.until(
        "the name is refused",
        "document.getElementById('notice').textContent.includes('that name')",
    )
    .await;
    join(&mut page, "Ann").await;
    page.until("both natives are connected", &format!("{CONNECTED} === 2"))
        .await;
    hears_both(&mut page).await;
    page.until(
        "the path and its round trip are measured",
        "[...document.querySelectorAll('#members li')].every((li) => /\\d ms/.test(li.textContent) && / → /.test(li.textContent))",
    )
    .await;
    say(&mut page, "Hello from a browser").await;
    look(&mut page, None, &folder, Charts::None).await;
    page.until(
        "nothing was unsent",
        "!/reached/.test(document.getElementById('messages').textContent)",
    )
    .await;

    leave(&mut page).await;
    page.until(
        "a native has left, too",
        "fetch('api/rooms').then((a) => a.json()).then(({rooms}) => rooms[0].participantCount === 1)",
    )
    .await;
    join(&mut page, "Ann").await;
    page.until("both are connected again", &format!("{CONNECTED} === 2"))
        .await;
    hears_both(&mut page).await;
    say(&mut page, "Hello again").await;
    say(&mut page, "and good-bye").await;
    page.until(
        "its own words are there",
        "document.querySelectorAll('#messages li.mine').length === 2",
    )
    .await;
    // Whoever was there before it has offered, each time; who comes after it answers.
    page.until(
        "it has taken offers and answers",
        "taken.includes('offer') && taken.includes('answer')",
    )
    .await;
    leave(&mut page).await;
    page.assert_no_errors();
    assert_passes(run, &folder);
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn a_browser_and_a_native_peer_find_each_other_where_joins_are_not_confirmed() {
    let folder = folder("mixed-deployed");
    let (run, url) = natives(&folder, DEPLOYED).await;
    let browser = Browser::start(&folder).await;
    let mut page = browser.page().await;
    page.open(&url).await;
    let log = folder.join("out/events.ndjson");
    for (words, waits) in [("Hello", 2), ("Hello again", 4)] {
        join(&mut page, "Ann").await;
        page.until("the native is connected", &format!("{CONNECTED} === 1"))
            .await;
        page.until(
            "it is heard",
            "document.querySelector('#messages li:not(.mine):not(.note)') !== null",
        )
        .await;
        say(&mut page, words).await;
        leave(&mut page).await;
        browser::until("the native has waited for its coming and its going", || {
            let told = fs::read_to_string(&log).unwrap_or_default();
            let satisfied = told.matches("\"wait_satisfied\"").count();
            std::future::ready((satisfied >= waits).then_some(()))
        })
        .await;
    }
    page.assert_no_errors();
    assert_passes(run, &folder);
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn a_page_that_is_in_the_room_before_any_native_is_found_by_all_of_them() {
    comes_first("rooms").await;
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn where_joins_are_not_confirmed_the_first_member_may_be_a_page() {
    comes_first("deployed").await;
}

async fn comes_first(mode: &str) {
    let folder = folder(&format!("page-first-{mode}"));
    let (run, url) = natives(&folder, &after_the_page(mode)).await;
    let browser = Browser::start(&folder).await;
    let mut page = browser.page().await;
    page.open(&url).await;
    join(&mut page, "Ann").await;
    page.until("it is in the room", "!document.getElementById('talk').hidden")
        .await;
    let log = folder.join("out/events.ndjson");
    let told = || fs::read_to_string(&log).unwrap_or_default();
    assert!(!told().contains("\"join_started\""), "the natives were first");
    for (words, times) in [("Hello", 1), ("Hello again", 2)] {
        page.until("both natives are connected", &format!("{CONNECTED} === 2"))
            .await;
        for name in ["peer-1", "peer-2"] {
            page.until(&format!("{name} is heard"), &has_heard(name)).await;
        }
        say(&mut page, words).await;
        browser::until("both natives have heard it", || {
            let heard = told().matches("\"external_message_received\"").count();
            std::future::ready((heard >= 2 * times).then_some(()))
        })
        .await;
        leave(&mut page).await;
        // Connected, met and gone; then met and gone again.
        let waits = [6, 10][times - 1];
        browser::until("both natives have waited for its coming and its going", || {
            let satisfied = told().matches("\"wait_satisfied\"").count();
            std::future::ready((satisfied >= waits).then_some(()))
        })
        .await;
        if times == 1 {
            join(&mut page, "Ann").await;
        }
    }
    page.assert_no_errors();
    assert_passes(run, &folder);
}

/// Natives, and where a browser can join them.
async fn natives(folder: &Path, scenario: &str) -> (Run, String) {
    fs::write(folder.join("mixed.yaml"), scenario).expect("it can be written");
    let stderr = folder.join("stderr");
    let args = ["run", "mixed.yaml", "--out", "out", "--quiet"];
    let child = program(folder, &args)
        .stdout(fs::File::create(folder.join("stdout")).expect("it can be written"))
        .stderr(fs::File::create(&stderr).expect("it can be written"))
        .spawn();
    let run = Run(child.expect("the program can be started"));
    let url = line_in(&stderr, "join: ").await;
    (run, url)
}

pub fn assert_passes(mut run: Run, folder: &Path) {
    let code = run.0.wait().expect("it ends").code();
    let said = fs::read_to_string(folder.join("stdout")).unwrap_or_default();
    assert_eq!(code, Some(0), "{said}");
}

/// A server alone.
async fn serve(folder: &Path, listen: &str, mode: &str) -> (Run, String) {
    let stderr = folder.join("stderr");
    let args = ["serve", "--listen", listen, "--relay-mode", mode];
    let child = program(folder, &args)
        .stdout(Stdio::null())
        .stderr(fs::File::create(&stderr).expect("it can be written"))
        .spawn();
    let run = Run(child.expect("the program can be started"));
    let url = browser::until("the server says where its page is", || {
        let said = fs::read_to_string(&stderr).unwrap_or_default();
        let at = said
            .split_once("page=\"")
            .and_then(|(_, rest)| rest.split_once('"'));
        std::future::ready(at.map(|(page, _)| page.to_owned()))
    })
    .await;
    (run, url)
}

/// Two browsers' tabs in one room of a server.
async fn two_tabs(browser: &Browser, url: &str) -> (Page, Page) {
    let (mut ann, mut bob) = (browser.page().await, browser.page().await);
    for (page, name) in [(&mut ann, "Ann"), (&mut bob, "Bob")] {
        page.window(1280, "light").await;
        page.open(&format!("{url}?room=lobby")).await;
        join(page, name).await;
        page.until("it is in the room", "!document.getElementById('talk').hidden")
            .await;
    }
    (ann, bob)
}

/// Each says these words, and the other hears them.
async fn talk(ann: &mut Page, bob: &mut Page, words: &str) {
    for page in [&mut *ann, &mut *bob] {
        page.until("the other is connected", &format!("{CONNECTED} === 1"))
            .await;
    }
    hears(ann, bob, "Ann", words).await;
    hears(bob, ann, "Bob", words).await;
}

async fn hears(speaker: &mut Page, listener: &mut Page, name: &str, words: &str) {
    say(speaker, words).await;
    let heard = format!(
        "[...document.querySelectorAll('#messages li:not(.mine):not(.note)')].some((li) =>
             li.textContent.includes('{name}') && li.querySelector('.what').textContent === '{words}')"
    );
    listener.until(&format!("{name} is heard"), &heard).await;
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn a_page_that_is_loaded_again_is_the_same_member() {
    let folder = folder("reload");
    let (_server, url) = serve(&folder, "127.0.0.1:0", "rooms").await;
    let browser = Browser::start(&folder).await;
    let (mut ann, mut bob) = two_tabs(&browser, &url).await;
    talk(&mut ann, &mut bob, "Hello").await;
    let url = ann.value("location.href").await;
    ann.open(url.as_str().expect("a URL")).await;
    ann.until(
        "it is in the room without the form",
        "!document.getElementById('talk').hidden",
    )
    .await;
    talk(&mut ann, &mut bob, "Hello again").await;
    let left = bob
        .value("document.getElementById('messages').textContent.includes('left')")
        .await;
    assert_eq!(left, Value::Bool(false), "Bob was told that she left");
    bob.picture(&folder.join("bob.png")).await;
    for page in [ann, bob] {
        page.assert_no_errors();
    }
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn where_joins_are_not_confirmed_pages_find_each_other_too() {
    let folder = folder("deployed");
    let (_server, url) = serve(&folder, "127.0.0.1:0", "deployed").await;
    let browser = Browser::start(&folder).await;
    let (mut ann, mut bob) = two_tabs(&browser, &url).await;
    talk(&mut ann, &mut bob, "Hello").await;
    leave(&mut ann).await;
    bob.until(
        "Bob is alone",
        "document.querySelectorAll('#members li').length === 0",
    )
    .await;
    join(&mut ann, "Ann").await;
    talk(&mut ann, &mut bob, "Hello again").await;
    for page in [ann, bob] {
        page.assert_no_errors();
    }
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn a_server_that_went_away_is_said_and_found_again() {
    let folder = folder("away");
    let (server, url) = serve(&folder, "127.0.0.1:0", "rooms").await;
    let browser = Browser::start(&folder).await;
    let (mut ann, mut bob) = two_tabs(&browser, &url).await;
    talk(&mut ann, &mut bob, "Hello").await;
    drop(server);
    for page in [&mut ann, &mut bob] {
        page.until(
            "it says that the server is away",
            "document.getElementById('status').textContent.includes('server away')",
        )
        .await;
    }
    say(&mut ann, "Still there?").await;
    bob.until(
        "they talk without the server",
        "document.getElementById('messages').textContent.includes('Still there?')",
    )
    .await;
    let listen = url.trim_start_matches("http://").trim_end_matches('/');
    let (_server, _) = serve(&folder, listen, "rooms").await;
    for page in [&mut ann, &mut bob] {
        page.until(
            "it is in the room of the new server, with the other",
            "document.getElementById('status').textContent === '1 of 1 connected'
             && !document.getElementById('members').textContent.includes('away from')",
        )
        .await;
    }
    leave(&mut bob).await;
    join(&mut bob, "Bob").await;
    talk(&mut ann, &mut bob, "Hello again").await;
    // That nobody listened for a moment is no error of the page's.
    let refused = |error: &String| !error.contains("ERR_CONNECTION_REFUSED");
    assert_eq!(ann.errors().iter().filter(|error| refused(error)).count(), 0);
}
