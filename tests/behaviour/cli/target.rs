//! What lets peers into a deployment: each reaches the server as the scenario says it, and no secret stays behind.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::Value;

use super::{
    control::server,
    door::{Door, Paper, accept, answer, hold},
    program::{Desk, wait_until},
};

pub fn head_of(door: &Door) -> String {
    let knocks = door.knocks();
    knocks.first().cloned().expect("somebody has knocked")
}

pub fn scenario(url: &str, more: &str) -> String {
    format!(
        "name: door\ntarget:\n  url: '{url}'\n{more}rooms: {{ peers: 2 }}\nconnect_timeout: 2s\n\
         client: {{ reconnect_attempts: 1, socket_within: 1s }}\n\
         steps: [join, {{ wait: {{ for: connected, within: 2s }} }}]\n"
    )
}

#[test]
fn the_request_says_what_the_scenario_says() {
    let door = Door::new(|stream, _| answer(stream, "401 Unauthorized", ""));
    let desk = Desk::new("target-request");
    desk.write("query.txt", "fi le\n");
    let more = "  origin: https://app.example.org\n  headers: { X-Two: '${env:TWO}/${peer}', X-Raw: { env: RAW } }\n  \
                cookies: { session: abcd, lang: en }\n  query: { token: { file: query.txt }, 'a b': '&' }\n  \
                subprotocols: [chat, superchat]\n  contact: load@example.org\n";
    desk.write("door.yaml", &scenario(&format!("{}?old=1", door.url()), more));
    let env = [("TWO", "two-word"), ("RAW", "raw ${user}")];
    let output = desk.run_with(
        &env,
        &[
            "run",
            "door.yaml",
            "--out",
            "out",
            "--quiet",
            "--lag-limit",
            "1h",
            "--cpu-limit",
            "100%",
        ],
    );
    output.assert_code(99).assert_sane();
    let heads = door.knocks().join("\n");
    for line in [
        "GET /ws/?old=1&token=fi%20le&a%20b=%26 HTTP/1.1\r\n",
        "Origin: https://app.example.org\r\n",
        "x-two: two-word/0\r\n",
        "x-two: two-word/1\r\n",
        "x-raw: raw ${user}\r\n",
        "cookie: session=abcd; lang=en\r\n",
        "Sec-WebSocket-Protocol: chat, superchat\r\n",
        "user-agent: rtcstorm/",
        "to stop it: end process ",
        " at this address, or write to load@example.org)\r\n",
    ] {
        assert!(heads.contains(line), "{line}: {heads}");
    }
    let run = desk.json("out/run.json")["run_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert!(heads.contains(&format!("(load test; run {run};")), "{heads}");
}

#[test]
fn a_subprotocol_that_was_not_offered_is_a_failure() {
    let door = Door::new(|stream, head| {
        accept(stream, head, "Sec-WebSocket-Protocol: other\r\n");
        hold(stream);
    });
    let desk = Desk::new("target-subprotocol");
    desk.write("door.yaml", &scenario(&door.url(), ""));
    let args = [
        "run",
        "door.yaml",
        "--out",
        "out",
        "--quiet",
        "--subprotocol",
        "chat",
    ];
    desk.run(&args).assert_code(99).assert_sane();
    let summary = desk.read("out/summary.json");
    assert!(summary.contains("4 subprotocol_refused"), "{summary}");
}

#[test]
fn each_peer_has_a_row_and_a_token_of_its_own() {
    let door = Door::new(|stream, _| answer(stream, "403 Forbidden", ""));
    let desk = Desk::new("target-rows");
    desk.write("peers.csv", "name,token\nada,t-one\nbob,t-two\n");
    let more = "  credentials: peers.csv\n  headers: { Authorization: 'Bearer ${jwt}', X-Token: '${credentials.token}' }\n  \
                jwt: { algorithm: HS256, key: { env: KEY }, claims: { sub: '${credentials.name}', n: 7 } }\n";
    desk.write("door.yaml", &scenario(&door.url(), more));
    let output = desk.run_with(
        &[("KEY", "the signing key")],
        &[
            "run",
            "door.yaml",
            "--out",
            "out",
            "--quiet",
            "--lag-limit",
            "1h",
            "--cpu-limit",
            "100%",
        ],
    );
    output.assert_code(99).assert_sane();
    let mut heads = door.knocks();
    heads.sort_by_key(|head| head.contains("t-two"));
    for (head, token, name) in [(&heads[0], "t-one", "ada"), (&heads[3], "t-two", "bob")] {
        assert!(head.contains(&format!("x-token: {token}\r\n")), "{head}");
        let jwt = head
            .split("Bearer ")
            .nth(1)
            .and_then(|rest| rest.split('\r').next());
        let claims = jwt.and_then(|jwt| jwt.split('.').nth(1)).expect("three parts");
        let claims = base64_url(claims);
        assert!(
            claims.contains(&format!("\"sub\":\"{name}\"")) && claims.contains("\"n\":7"),
            "{claims}"
        );
    }
}

/// A server that lets nobody in, but tells whose token is good (404) from whose is not (401): signed by that key, with
/// the claims of its peer, and valid now.
fn verifier(algorithm: &'static dyn VerificationAlgorithm, name: &'static str, key: Vec<u8>) -> Door {
    Door::new(move |stream, head| {
        let good = || {
            let jwt = head.split("authorization: Bearer ").nth(1)?.split('\r').next()?;
            let (signed, signature) = jwt.rsplit_once('.')?;
            let (header, claims) = signed.split_once('.')?;
            let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
            let public = UnparsedPublicKey::new(algorithm, &key);
            public.verify(signed.as_bytes(), &signature).ok()?;
            let json = |text: &str| serde_json::from_str::<Value>(&base64_url(text)).ok();
            let (header, claims) = (json(header)?, json(claims)?);
            let user = head.split("x-user: ").nth(1)?.split('\r').next()?;
            let now = std::time::UNIX_EPOCH.elapsed().ok()?.as_secs();
            let ends = claims["exp"].as_u64()?;
            let own = claims["sub"] == user && claims["room"].as_str()?.contains("room-0000");
            (header["alg"] == name && header["kid"] == "k1" && own && (now..now + 700).contains(&ends))
                .then_some(())
        };
        match good() {
            Some(()) => answer(stream, "404 Not Found", ""),
            None => answer(stream, "401 Unauthorized", ""),
        }
    })
}

#[test]
fn a_server_that_has_the_public_key_takes_the_tokens_of_each_peer() {
    let rsa = include_str!("../../data/jwt/rs256.pem");
    let public = include_str!("../../data/jwt/rs256.pub.pem").lines();
    let public: String = public.skip(2).filter(|line| !line.starts_with('-')).collect();
    let public = base64::engine::general_purpose::STANDARD
        .decode(public)
        .expect("DER");
    let [pair, other] = [(); 2].map(|()| rcgen::KeyPair::generate().expect("a key of P-256"));
    let point = rcgen::PublicKeyData::der_bytes(&pair).to_vec();
    for (name, algorithm, public, key, code) in [
        (
            "RS256",
            &RSA_PKCS1_2048_8192_SHA256 as &dyn VerificationAlgorithm,
            public,
            rsa.to_owned(),
            "http_404",
        ),
        (
            "ES256",
            &ECDSA_P256_SHA256_FIXED,
            point.clone(),
            pair.serialize_pem(),
            "http_404",
        ),
        (
            "ES256",
            &ECDSA_P256_SHA256_FIXED,
            point,
            other.serialize_pem(),
            "http_401",
        ),
    ] {
        let door = verifier(algorithm, name, public);
        let desk = Desk::new(&format!("target-{name}-{code}"));
        desk.write("key.pem", &key);
        let more = format!(
            "  headers: {{ Authorization: 'Bearer ${{jwt}}', X-User: '${{user}}' }}\n  jwt: {{ algorithm: {name}, key: \
             {{ file: key.pem }}, key_id: k1, claims: {{ sub: '${{user}}', room: '${{room}}' }}, ttl: 10m }}\n"
        );
        desk.write("door.yaml", &scenario(&door.url(), &more));
        desk.run(&["run", "door.yaml", "--out", "out", "--quiet"])
            .assert_sane();
        let summary = desk.read("out/summary.json");
        assert!(summary.contains(&format!("4 {code}")), "{name}: {summary}");
        let users: std::collections::BTreeSet<String> = door
            .knocks()
            .iter()
            .filter_map(|head| Some(head.split("x-user: ").nth(1)?.split('\r').next()?.to_owned()))
            .collect();
        assert_eq!(users.len(), 2, "each peer is another: {users:?}");
    }
}

fn base64_url(text: &str) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(text).expect("base64url");
    String::from_utf8(bytes).expect("JSON")
}

#[test]
fn what_is_missing_is_told_before_anybody_knocks() {
    let door = Door::new(|stream, _| answer(stream, "403 Forbidden", ""));
    let desk = Desk::new("target-missing");
    desk.write("few.jsonl", "{\"token\":\"t-one\"}\n");
    desk.write("no.pem", "what?");
    for (more, url, says) in [
        (
            "  credentials: few.jsonl\n  query: { t: '${credentials.token}' }\n",
            "ws",
            "1 row for 2 peers",
        ),
        (
            "  headers: { X-A: { env: NOT_THERE_AT_ALL } }\n",
            "ws",
            "put it into the variable NOT_THERE_AT_ALL",
        ),
        (
            "  headers: { X-A: 'b ${file:no/such.txt}' }\n",
            "ws",
            "no/such.txt",
        ),
        ("  tls: { ca: no.pem }\n", "wss", "there is no certificate in it"),
        (
            "  tls: { certificate: no.pem, key: no.pem }\n",
            "wss",
            "--client-cert",
        ),
    ] {
        let url = door.url().replacen("ws", url, 1);
        desk.write("door.yaml", &scenario(&url, more));
        let output = desk.run(&[
            "run",
            "door.yaml",
            "--out",
            "out",
            "--quiet",
            "--lag-limit",
            "1h",
            "--cpu-limit",
            "100%",
        ]);
        output.assert_code(104).assert_says(says).assert_sane();
    }
    assert!(door.knocks().is_empty());
}

/// A proxy that notes what it is asked, and connects to `to`, whatever the name.
fn http_proxy(to: u16) -> Door {
    Door::new(move |stream, head| {
        if !head.contains("Proxy-Authorization: Basic bWU6cGFzczE=") {
            return answer(stream, "407 Proxy Authentication Required", "");
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        relay(stream, to);
    })
}

/// SOCKS5 with a user's name and password (RFC 1928, RFC 1929).
fn socks_proxy(to: u16) -> Door {
    Door::raw(move |stream, knocks| {
        let mut read = |length: usize| {
            let mut bytes = vec![0; length];
            stream.read_exact(&mut bytes).map(|()| bytes)
        };
        let Ok(greeting) = read(2) else { return };
        let Ok(_methods) = read(usize::from(greeting[1])) else {
            return;
        };
        let _ = stream.write_all(&[5, 2]);
        let mut read = |length: usize| {
            let mut bytes = vec![0; length];
            stream.read_exact(&mut bytes).map(|()| bytes)
        };
        let Ok(begin) = read(2) else { return };
        let Ok(user) = read(usize::from(begin[1])) else {
            return;
        };
        let Ok(length) = read(1) else { return };
        let Ok(word) = read(usize::from(length[0])) else {
            return;
        };
        let good = user == b"me" && word == b"pass1";
        let _ = stream.write_all(&[1, u8::from(!good)]);
        if !good {
            return;
        }
        let mut read = |length: usize| {
            let mut bytes = vec![0; length];
            stream.read_exact(&mut bytes).map(|()| bytes)
        };
        let Ok(request) = read(5) else { return };
        assert_eq!(request[3], 3, "a name: the proxy looks it up");
        let Ok(rest) = read(usize::from(request[4]) + 2) else {
            return;
        };
        let name = String::from_utf8_lossy(&rest[..rest.len() - 2]).into_owned();
        knocks.lock().expect("no test panics with it").push(name);
        let _ = stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        relay(stream, to);
    })
}

fn relay(stream: &mut TcpStream, to: u16) {
    let Ok(mut there) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else {
        return;
    };
    let (Ok(mut from), Ok(mut back)) = (stream.try_clone(), there.try_clone()) else {
        return;
    };
    let up = thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut there);
        let _ = there.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut back, stream);
    let _ = stream.shutdown(std::net::Shutdown::Both);
    let _ = up.join();
}

#[test]
fn peers_go_through_a_proxy_that_knows_the_way() {
    let door = Door::new(|stream, _| answer(stream, "404 Not Found", ""));
    let desk = Desk::new("target-proxy");
    let url = "ws://rtc.example.org:4444/ws/";
    desk.write("door.yaml", &scenario(url, "  proxy: { env: PROXY }\n"));
    let args = [
        "run",
        "door.yaml",
        "--out",
        "out",
        "--quiet",
        "--allow-target",
        "rtc.example.org",
    ];
    for (kind, proxy) in [
        ("http", http_proxy(door.port())),
        ("socks5", socks_proxy(door.port())),
    ] {
        let through = format!("{kind}://me:pass1@127.0.0.1:{}", proxy.port());
        let output = desk.run_with(&[("PROXY", &through)], &args);
        output.assert_code(99).assert_sane();
        let summary = desk.read("out/summary.json");
        assert!(summary.contains("4 http_404"), "{kind}: {summary}");
        let asked = proxy.knocks().join("\n");
        assert!(asked.contains("rtc.example.org"), "{kind}: {asked}");
        let wrong = through.replace("pass1", "pass2");
        let output = desk.run_with(&[("PROXY", &wrong)], &args);
        output.assert_code(99).assert_sane();
        let summary = desk.read("out/summary.json");
        assert!(summary.contains("4 proxy_refused"), "{kind}: {summary}");
    }
    assert!(head_of(&door).contains("Host: rtc.example.org:4444\r\n"));
}

/// The reference server with TLS, in a process of its own.
struct Secure(Child);

impl Secure {
    fn start(desk: &Desk, more: &[&str]) -> (Self, u16) {
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            free.local_addr().expect("bound").port()
        };
        let log = fs::File::create(desk.path("server.log")).expect("it can be written");
        let child = Command::new(server())
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(more)
            .current_dir(desk.path(""))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("the server can be started");
        let secure = Self(child);
        wait_until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        (secure, port)
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn peers_meet_over_tls_by_a_pinned_name_and_an_authority_of_their_own() {
    let desk = Desk::new("target-tls");
    let paper = Paper::new("rtc.example.org", false);
    desk.write("ca.pem", &paper.ca);
    desk.write("server.pem", &paper.server.0);
    desk.write("server.key", &paper.server.1);
    let more = [
        "--tls-cert",
        "server.pem",
        "--tls-key",
        "server.key",
        "--allow-origin",
        "https://app.example.org",
    ];
    let (_server, port) = Secure::start(&desk, &more);
    let text = "name: tls\nrooms: { peers: 2 }\nsteps: [join, { wait: connected }]\n\
                thresholds: { connect_failed: ['rate<0.01'] }\n";
    desk.write("tls.yaml", text);
    let url = format!("wss://rtc.example.org:{port}/ws/");
    let pin = format!("rtc.example.org:{port}:127.0.0.1");
    let base = [
        "run",
        "tls.yaml",
        "--quiet",
        "--url",
        &url,
        "--allow-target",
        "rtc.example.org",
        "--origin",
        "https://app.example.org",
    ];
    let output = desk.run(&[&base[..], &["--resolve", &pin, "--ca", "ca.pem", "--out", "out"]].concat());
    output.assert_code(0).assert_sane();
    assert!(!output.stderr.contains("INSECURE"), "{output:?}");
    let output = desk.run(&[&base[..], &["--resolve", &pin, "--insecure", "--out", "loud"]].concat());
    output
        .assert_code(0)
        .assert_says("INSECURE: no certificate is checked")
        .assert_sane();
    for file in ["loud/summary.json", "loud/run.json"] {
        assert!(desk.read(file).contains("INSECURE"), "{file}");
    }
}

#[test]
fn a_local_name_that_is_somewhere_else_needs_permission() {
    let desk = Desk::new("target-elsewhere");
    for more in [
        "  resolve: 'localhost:4444:192.0.2.1'\n",
        "  proxy: 'http://127.0.0.1:4445'\n",
    ] {
        desk.write("door.yaml", &scenario("ws://localhost:4444/", more));
        let output = desk.run(&["run", "door.yaml", "--out", "out", "--quiet"]);
        output
            .assert_code(104)
            .assert_says("--allow-target localhost")
            .assert_sane();
    }
}

/// Every file below a folder.
fn files(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, into),
            path => into.push(path),
        }
    }
}

#[test]
fn no_secret_stays_in_a_runs_folder_or_goes_to_the_terminal() {
    // It says everything again that it is told, in every place where a server has words.
    let door = Door::new(|stream, head| {
        accept(stream, head, "");
        let said: String = head.split("\r\n").skip(1).collect::<Vec<_>>().join(" ");
        let first = head.lines().next().unwrap_or_default();
        let said = format!("{first} {said}");
        let frame =
            serde_json::json!({ "type": "error", "code": said, "message": said, "error": said }).to_string();
        let mut bytes = vec![0x81, 126];
        bytes.extend((frame.len() as u16).to_be_bytes());
        bytes.extend(frame.as_bytes());
        let _ = stream.write_all(&bytes);
        let why: String = said
            .split_whitespace()
            .filter(|word| word.contains("s3cret"))
            .collect::<Vec<_>>()
            .join(" ");
        let why: String = why.chars().take(120).collect();
        let mut close = vec![0x88, why.len() as u8 + 2, 0x03, 0xf0];
        close.extend(why.as_bytes());
        let _ = stream.write_all(&close);
        hold(stream);
    });
    let desk = Desk::new("target-secrets");
    let proxy = http_proxy(door.port());
    desk.write("kept.txt", "s3cret-file\n");
    desk.write("peers.csv", "token\ns3cret-row-one\ns3cret-row-two\n");
    let url = format!(
        "ws://user:s3cret-url@127.0.0.1:{}/ws/?token=s3cret-query",
        door.port()
    );
    let more = "  proxy: { env: PROXY }\n  credentials: peers.csv\n  \
                headers: { Authorization: 'Bearer s3cret-literal', X-Env: { env: KEPT }, X-Row: '${credentials.token}', X-Jwt: '${jwt}' }\n  \
                cookies: { session: s3cret-cookie }\n  query: { k: s3cret-param, f: { file: kept.txt } }\n  \
                jwt: { algorithm: HS256, key: s3cret-signing-key, claims: { sub: '${user}' } }\n";
    desk.write("door.yaml", &scenario(&url, more));
    let through = format!("http://me:pass1@127.0.0.1:{}", proxy.port());
    let env = [
        ("KEPT", "s3cret-variable"),
        ("PROXY", through.as_str()),
        ("RTCSTORM_LOG", "trace,tungstenite::handshake::client=trace"),
        ("RTCSTORM_HEADER", "X-Flag: s3cret-flag"),
    ];
    let args = [
        "run",
        "door.yaml",
        "--out",
        "out",
        "--set",
        "target.headers.X-Set=s3cret-set",
        "--allow-target",
        "127.0.0.1",
        "--report",
        "html,junit,markdown,csv,json,dump,trace,signaling",
    ];
    let output = desk.run_with(&env, &args);
    output.assert_code(99).assert_sane();
    let heads = door.knocks().join("\n");
    for sent in [
        "literal", "variable", "row-two", "cookie", "param", "file", "query", "flag", "set",
    ] {
        assert!(heads.contains(&format!("s3cret-{sent}")), "{sent}: {heads}");
    }
    let jwt = heads
        .split("x-jwt: ")
        .nth(1)
        .and_then(|rest| rest.split('\r').next())
        .expect("a token");
    let basic = heads
        .split("Basic ")
        .nth(1)
        .and_then(|rest| rest.split('\r').next())
        .unwrap_or("dXNlcjpzM2NyZXQtdXJs");
    let mut all = Vec::new();
    files(&desk.path("out"), &mut all);
    assert!(all.len() > 8, "{all:?}");
    let texts = all
        .iter()
        .map(|path| (path.display().to_string(), fs::read(path).expect("a file")));
    let said = [
        ("stdout".to_owned(), output.stdout.into_bytes()),
        ("stderr".to_owned(), output.stderr.into_bytes()),
    ];
    for (place, bytes) in texts.chain(said) {
        let text = String::from_utf8_lossy(&bytes);
        for secret in ["s3cret", "pass1", jwt, basic] {
            let at = text.find(secret);
            let near = at.map(|at| &text[at.saturating_sub(200)..text.len().min(at + 60)]);
            assert!(at.is_none(), "{secret} is in {place}: {near:?}");
        }
    }
}
