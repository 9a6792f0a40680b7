//! Chromium over its DevTools protocol, as far as the checks need it.

use std::{
    collections::BTreeMap,
    fs,
    future::Future,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::Engine;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits until `found` finds something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut found: impl FnMut() -> F) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A browser without a window; killed in the end.
pub struct Browser {
    child: Child,
    url: String,
}

impl Browser {
    pub async fn start(folder: &Path) -> Self {
        let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
        let stderr = folder.join("chromium.stderr");
        let child = Command::new(&program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&stderr).expect("the folder for tests can be written"))
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; tests/interop/page installs it"));
        let url = until("the browser says where it listens", || {
            let said = fs::read_to_string(&stderr).unwrap_or_default();
            let line = said
                .lines()
                .find_map(|line| line.strip_prefix("DevTools listening on "));
            std::future::ready(line.map(str::to_owned))
        })
        .await;
        Self { child, url }
    }

    /// A fresh page.
    pub async fn page(&self) -> Page {
        let (socket, _) = connect_async(&self.url).await.expect("the browser listens");
        let mut page = Page {
            socket,
            session: None,
            last: 0,
            errors: Vec::new(),
            loaded: false,
        };
        let target = page
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await;
        let attached = json!({"targetId": target["targetId"], "flatten": true});
        let attached = page.call("Target.attachToTarget", attached).await;
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    last: u64,
    /// What stands on the console as an error or a warning, what was thrown, and what could not be loaded.
    errors: Vec<String>,
    loaded: bool,
}

impl Page {
    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.clone().into();
        }
        let sent = self.socket.send(Message::text(message.to_string())).await;
        sent.expect("the browser is there");
        loop {
            let told = self.next().await;
            if told["id"] == self.last {
                assert!(told.get("error").is_none(), "{method}: {told}");
                return told["result"].clone();
            }
        }
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message = message
                .expect("the browser answers")
                .expect("the browser is there");
            if let Message::Text(text) = message.expect("the browser is there") {
                let told: Value = serde_json::from_str(&text).expect("it speaks JSON");
                self.note(&told);
                return told;
            }
        }
    }

    fn note(&mut self, told: &Value) {
        let of = &told["params"];
        let level = |level: &Value| matches!(level.as_str(), Some("error" | "warning" | "assert"));
        let wrong = match told["method"].as_str() {
            Some("Runtime.consoleAPICalled") => level(&of["type"]),
            Some("Log.entryAdded") => level(&of["entry"]["level"]),
            Some("Runtime.exceptionThrown") => true,
            Some("Page.loadEventFired") => {
                self.loaded = true;
                false
            }
            _ => false,
        };
        if wrong {
            self.errors.push(of.to_string());
        }
    }

    pub async fn open(&mut self, url: &str) {
        self.loaded = false;
        let opened = self.call("Page.navigate", json!({"url": url})).await;
        assert!(opened.get("errorText").is_none(), "{url}: {opened}");
        while !self.loaded {
            self.next().await;
        }
    }

    pub async fn window(&mut self, width: u32, theme: &str) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    /// What an expression comes to in the page.
    pub async fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", asked).await;
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression holds.
    pub async fn until(&mut self, what: &str, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.value(expression).await != true {
            assert!(Instant::now() < end, "waited in vain: {what}; {:?}", self.errors);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub async fn key(&mut self, key: &str) {
        let codes = BTreeMap::from([("Tab", (9, "")), ("Enter", (13, "\r"))]);
        let (code, text) = codes[key];
        let event = |kind: &str| {
            json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
                   "text": if kind == "keyDown" { text } else { "" }})
        };
        self.call("Input.dispatchKeyEvent", event("keyDown")).await;
        self.call("Input.dispatchKeyEvent", event("keyUp")).await;
    }

    /// Replaces what is in a field, as if it were typed.
    pub async fn write(&mut self, selector: &str, text: &str) {
        self.value(&format!(
            "document.querySelector('{selector}').focus(), document.activeElement.select()"
        ))
        .await;
        self.call("Input.insertText", json!({"text": text})).await;
    }

    pub async fn key_on(&mut self, selector: &str, key: &str) {
        self.value(&format!("document.querySelector('{selector}').focus()"))
            .await;
        self.key(key).await;
    }

    /// The whole page, as a picture.
    pub async fn picture(&mut self, path: &Path) {
        let asked = json!({"format": "png", "captureBeyondViewport": true});
        let taken = self.call("Page.captureScreenshot", asked).await;
        let data = taken["data"].as_str().expect("a picture");
        let bytes = base64::engine::general_purpose::STANDARD.decode(data);
        fs::write(path, bytes.expect("it is base64")).expect("the folder for tests can be written");
    }

    /// What stands on the console.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    #[track_caller]
    pub fn assert_no_errors(&self) {
        assert!(
            self.errors.is_empty(),
            "on the console:\n{}",
            self.errors.join("\n")
        );
    }
}
