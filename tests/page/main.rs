//! The pages in a browser: the one of a run that is under way, the report, and the room of the reference server. Needs Chromium: `tests/interop/page`
//! installs it and runs this.

mod browser;
mod checks;
mod peerjs;
mod room;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use browser::Browser;
use checks::{Charts, look};

/// Six who talk, and lose their network for a moment; they stay until they are interrupted.
const SCENARIO: &str = "
name: page
about: Two rooms of three talk, lose their network, and stay.
rooms: { count: 2, peers: 3 }
steps:
  - join
  - wait: connected
  - chat: { every: 200ms, size: 128, for: 4s }
  - drop_network: { for: 1s }
  - wait: connected
  - pause: 1h
thresholds:
  connect_ms: ['p(95)<20000']
  joins_started: ['count==6']
";

/// A folder for what is written; kept, for who wants to look at the pictures.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page").join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the folder for tests can be written");
    folder
}

fn program(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtcstorm"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RTCSTORM_") {
            command.env_remove(name);
        }
    }
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

/// A run; killed if the test ends before.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn the_live_page_draws_every_chart_and_says_the_end() {
    let folder = folder("live");
    fs::write(folder.join("page.yaml"), SCENARIO).expect("it can be written");
    let stderr = fs::File::create(folder.join("stderr")).expect("it can be written");
    let args = ["run", "page.yaml", "--out", "out", "--live", "0", "--quiet"];
    let child = program(&folder, &args)
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn();
    let mut run = Run(child.expect("the program can be started"));
    let url = browser::until("the program says where its page is", || {
        let said = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
        let line = said.lines().find_map(|line| line.strip_prefix("live: "));
        std::future::ready(line.map(str::to_owned))
    })
    .await;

    let browser = Browser::start(&folder).await;
    let mut page = browser.page().await;
    page.open(&url).await;
    page.until(
        "charts are drawn",
        "document.querySelectorAll('main svg').length > 0",
    )
    .await;
    page.until(
        "the fault has been told",
        "/[1-9]\\d* messages/.test(document.getElementById('line').textContent)",
    )
    .await;

    // What the reader has opened, and where the keyboard is, outlives what comes in.
    let marked = page
        .value(
            "(() => { const one = document.querySelector('main details'); if (!one) return false;
               one.open = true; one.querySelector('summary').focus(); window.before = document.querySelector('main').innerHTML;
               return true; })()",
        )
        .await;
    if marked == true {
        page.until(
            "something new has come in",
            "document.querySelector('main').innerHTML.replace(/ open=\"\"/g, '') !== window.before.replace(/ open=\"\"/g, '')",
        )
        .await;
        let kept = "document.querySelector('main details').open
                    && document.activeElement === document.querySelector('main details summary')";
        assert_eq!(
            page.value(kept).await,
            true,
            "an update has closed or left what was open"
        );
    }

    // By keyboard alone: what comes in waits.
    page.value("document.getElementById('pause').focus()").await;
    page.key("Enter").await;
    page.until(
        "it is paused",
        "document.getElementById('pause').getAttribute('aria-pressed') === 'true'",
    )
    .await;
    look(&mut page, None, &folder, Charts::Some).await;
    page.key_on("#pause", "Enter").await;

    let line = format!("kill -INT {}", run.0.id());
    let killed = Command::new("sh").args(["-c", &line]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    page.until("the page says the end", "'over' in document.body.dataset")
        .await;
    let said = "document.getElementById('verdict').textContent + ' ' + document.getElementById('contact').textContent";
    assert_eq!(
        page.value(said).await,
        "INTERRUPTED The run is over. Exit code 105. This page stays as it is."
    );
    assert_eq!(run.0.wait().expect("it ends").code(), Some(105));
    // It does not ask for more: what would be refused now would be an error of the page's.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        page.value("document.querySelectorAll('main svg').length > 0")
            .await,
        true
    );
    page.picture(&folder.join("over.png")).await;
    page.assert_no_errors();
}

#[tokio::test]
#[ignore = "needs Chromium: tests/interop/page"]
async fn the_report_draws_every_chart_without_a_network() {
    let folder = folder("report");
    let args = [
        "run",
        "network-drops",
        "--sim",
        "--out",
        "out",
        "--quiet",
        "--report",
        "html",
    ];
    let ran = program(&folder, &args)
        .output()
        .expect("the program can be started");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{said}");
    let file = fs::read_dir(folder.join("out"))
        .expect("it has a folder")
        .flatten();
    let mut file = file
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "html"));
    let file = file.next().expect("a page is written");

    let browser = Browser::start(&folder).await;
    let mut page = browser.page().await;
    let url = format!("file://{}", file.display());
    look(&mut page, Some(&url), &folder, Charts::Some).await;
    page.assert_no_errors();
}
