//! Servers that refuse, break or say nothing: each failure has its name in the report, and nothing hangs.

use std::{io::Write, net::TcpStream};

use super::{
    door::{Door, Paper, accept, answer, hold},
    program::{Desk, Output},
    secure::secure,
};

/// A server that opens the WebSocket, and then never says a word: whether a client pings, waits for its join, or leaves.
#[test]
fn a_server_that_lets_everybody_in_and_never_speaks_is_told() {
    for (client, wait, least) in [
        ("heartbeat_every: 1s, heartbeat_within: 500ms", "8s", 4),
        ("heartbeat_every: none", "2s", 2),
        ("heartbeat_every: none", "40s", 2),
    ] {
        let door = Door::new(|stream, head| {
            accept(stream, head, "");
            hold(stream);
        });
        let desk = Desk::new(&format!("bad-mute-{least}-{wait}"));
        let text = scenario(&door.url())
            .replace("reconnect_attempts: 1", client)
            .replace("within: 3s", &format!("within: {wait}"));
        desk.write("bad.yaml", &text);
        let args = [
            "run",
            "bad.yaml",
            "--out",
            "out",
            "--quiet",
            "--report",
            "html,junit,markdown",
        ];
        desk.run(&args).assert_code(99).assert_sane();
        let summary = desk.json("out/summary.json");
        let told = summary["reasons"].to_string();
        assert!(told.contains(" said_nothing"), "{client}: {told}");
        for file in ["out/report.md", "out/junit.xml", "out/report.html"] {
            assert!(desk.read(file).contains("said_nothing"), "not in {file}");
        }
        let lost = desk.events("out");
        let lost: Vec<_> = lost
            .iter()
            .filter(|event| event["kind"] == "signaling_lost")
            .collect();
        assert!(
            lost.len() >= least && lost.iter().all(|event| event["failure"] == "said_nothing"),
            "{client}: {lost:?}"
        );
        let ended = desk.events("out").last().and_then(|event| event["ms"].as_f64());
        assert!(ended.is_some_and(|ms| ms < 60_000.0), "{client}: {ended:?}");
    }
}

/// Two peers who try twice. What a socket may take is short, for what never answers.
fn scenario(url: &str) -> String {
    format!(
        "name: bad\ntarget: {{ url: '{url}' }}\nrooms: {{ peers: 2 }}\nconnect_timeout: 3s\nmessage_timeout: 3s\n\
         client: {{ reconnect_attempts: 1, socket_within: 1s }}\n\
         steps: [join, {{ wait: {{ for: connected, within: 3s }} }}]\n"
    )
}

/// Plays against a server: the run fails, and says by which name.
#[track_caller]
fn refused(test: &str, url: &str, more: &[&str], name: &str) -> (Desk, Output) {
    let desk = Desk::new(test);
    desk.write("bad.yaml", &scenario(url));
    let args = [
        &[
            "run",
            "bad.yaml",
            "--out",
            "out",
            "--quiet",
            "--report",
            "html,junit,markdown",
            "--lag-limit",
            "1h",
            "--cpu-limit",
            "100%",
        ],
        more,
    ]
    .concat();
    let output = desk.run(&args);
    output.assert_code(99).assert_sane();
    let summary = desk.json("out/summary.json");
    assert_eq!(summary["verdict"], "fail", "{name}: {summary}");
    let reasons = summary["reasons"].to_string();
    assert!(reasons.contains(&format!(" {name}")), "{name}: {reasons}");
    for file in ["out/report.md", "out/junit.xml", "out/report.html"] {
        assert!(desk.read(file).contains(name), "{name} is not in {file}");
    }
    let lost: Vec<String> = desk
        .events("out")
        .iter()
        .filter(|event| event["kind"] == "signaling_lost")
        .map(|event| event["failure"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(
        lost.len() >= 4 && lost.iter().all(|lost| lost == name),
        "{lost:?}, not {name}"
    );
    (desk, output)
}

#[test]
fn a_status_that_is_no_handshake_is_told_by_its_number() {
    for (status, name) in [
        ("401 Unauthorized", "http_401"),
        ("403 Forbidden", "http_403"),
        ("404 Not Found", "http_404"),
        ("502 Bad Gateway", "http_502"),
        ("200 OK", "http_other"),
    ] {
        let door = Door::new(move |stream, _| answer(stream, status, ""));
        refused(&format!("bad-{name}"), &door.url(), &[], name);
    }
}

#[test]
fn a_redirect_is_not_followed_in_a_circle_or_at_all() {
    let door = Door::new(|stream, _| answer(stream, "302 Found", "Location: /ws/?token=pass1\r\n"));
    let (desk, _) = refused("bad-redirect", &door.url(), &[], "http_redirect");
    assert!(
        door.knocks()
            .iter()
            .all(|head| head.starts_with("GET /ws/ HTTP/1.1\r\n"))
    );
    let events = desk.read("out/events.ndjson");
    assert!(
        events.contains("302 Found, to /ws/") && !events.contains("pass1"),
        "{events}"
    );
}

#[test]
fn nobody_there_and_a_name_without_address_are_told_apart() {
    let port = {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        gone.local_addr().expect("bound").port()
    };
    refused(
        "bad-refused",
        &format!("ws://127.0.0.1:{port}/"),
        &[],
        "connection_refused",
    );
    let allow = ["--allow-target", "no-such-host.invalid"];
    refused("bad-name", "ws://no-such-host.invalid/", &allow, "no_such_host");
}

#[test]
fn one_that_never_answers_is_given_up_in_time() {
    let door = Door::new(|stream, _| hold(stream));
    refused("bad-silent", &door.url(), &[], "unanswered");
    let deaf = Door::raw(|stream, _| hold(stream));
    let secure = deaf.url().replace("ws://", "wss://");
    refused("bad-deaf", &secure, &[], "unanswered");
}

#[test]
fn one_that_closes_at_once_has_let_nobody_in() {
    let slammed = Door::raw(|_, _| {});
    refused("bad-slammed", &slammed.url(), &[], "closed_at_once");
    let hung_up = Door::new(|stream, _| drop(stream.flush()));
    refused("bad-hung-up", &hung_up.url(), &[], "closed_at_once");
    let after = Door::new(|stream, head| {
        accept(stream, head, "");
        // A close frame: 1008, "no".
        let _ = stream.write_all(&[0x88, 4, 0x03, 0xf0, b'n', b'o']);
        hold(stream);
    });
    refused("bad-goodbye", &after.url(), &[], "closed_at_once");
}

#[test]
fn what_is_no_http_is_no_websocket() {
    let door = Door::new(|stream, _| drop(stream.write_all(b"\x00\x01\x02 SSH-2.0-what?\r\n\r\n")));
    refused("bad-garbage", &door.url(), &[], "not_websocket");
    let wrong_key = Door::new(|stream, _| accept(stream, "Sec-WebSocket-Key: another", ""));
    refused("bad-key", &wrong_key.url(), &[], "not_websocket");
}

/// Lets everybody in, greets, and then does that.
fn greeter(then: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Door {
    Door::new(move |stream, head| {
        accept(stream, head, "");
        let hello = br#"{"type":"connected"}"#;
        let _ = stream.write_all(&[0x81, hello.len() as u8]);
        let _ = stream.write_all(hello);
        then(stream);
        hold(stream);
    })
}

#[test]
fn a_frame_of_a_hundred_megabytes_is_not_read() {
    let door = greeter(|stream| {
        let mut head = vec![0x81, 127];
        head.extend(100_000_000_u64.to_be_bytes());
        let _ = stream.write_all(&head);
        let some = vec![b'a'; 1 << 16];
        // Whoever reads on would have to take it all.
        for _ in 0..1_526 {
            if stream.write_all(&some).is_err() {
                return;
            }
        }
    });
    let (desk, _) = refused("bad-huge", &door.url(), &[], "frame_too_large");
    let most = desk
        .events("out")
        .iter()
        .filter_map(|event| event["rss_bytes"].as_u64())
        .max();
    assert!(most.is_none_or(|bytes| bytes < 100_000_000), "{most:?}");
}

#[test]
fn a_server_that_changes_its_protocol_in_the_middle_is_left() {
    let http = greeter(|stream| {
        let body = "<p>".repeat(100);
        let _ = write!(
            stream,
            "HTTP/1.1 500 Oops\r\ncontent-type: text/html\r\n\r\n{body}"
        );
    });
    refused("bad-http", &http.url(), &[], "protocol_error");
    let text = greeter(|stream| drop(stream.write_all(&[0x81, 2, 0xff, 0xfe])));
    refused("bad-utf8", &text.url(), &[], "protocol_error");
    let binary = greeter(|stream| drop(stream.write_all(&[0x82, 3, 1, 2, 3])));
    refused("bad-binary", &binary.url(), &[], "unsupported_data");
}

#[test]
fn a_server_that_breaks_off_in_the_middle_of_a_frame_is_lost() {
    let door = greeter(|stream| {
        let _ = stream.write_all(&[0x81, 100, b'{']);
        let _ = stream.shutdown(std::net::Shutdown::Both);
    });
    refused("bad-cut", &door.url(), &[], "connection_lost");
}

/// Text that is no frame of the protocol, for as long as anybody listens.
#[test]
fn garbage_in_sound_frames_breaks_nothing_and_lets_nobody_in() {
    let door = greeter(|stream| {
        for text in [
            "",
            "{",
            "[]",
            "null",
            "\u{0}",
            "{\"type\":7}",
            "{\"type\":\"joined\",\"room\":[]}",
        ] {
            let _ = stream.write_all(&[0x81, text.len() as u8]);
            let _ = stream.write_all(text.as_bytes());
        }
    });
    let desk = Desk::new("bad-text");
    desk.write("bad.yaml", &scenario(&door.url()));
    let output = desk.run(&[
        "run",
        "bad.yaml",
        "--out",
        "out",
        "--quiet",
        "--lag-limit",
        "1h",
        "--cpu-limit",
        "100%",
    ]);
    output.assert_code(99).assert_sane();
    let summary = desk.json("out/summary.json");
    assert!(
        summary["reasons"].to_string().contains("not one link connected"),
        "{summary}"
    );
}

#[test]
fn a_certificate_that_nobody_may_trust_is_told_by_what_is_wrong_with_it() {
    for (name, expired, trusted, failure) in [
        ("localhost", true, true, "tls_certificate_expired"),
        ("localhost", false, false, "tls_untrusted"),
        ("other.example.org", false, true, "tls_wrong_host"),
        ("localhost", false, true, "http_403"),
    ] {
        let paper = Paper::new(name, expired);
        let door = secure(&paper, false);
        let folder = Desk::new(&format!("bad-paper-{failure}"));
        folder.write("ca.pem", &paper.ca);
        let ca = folder.path("ca.pem").display().to_string();
        let url = format!("wss://localhost:{}/ws/", door.port());
        let more: &[&str] = if trusted { &["--ca", &ca] } else { &[] };
        refused(&format!("bad-{failure}-tls"), &url, more, failure);
    }
}

#[test]
fn a_server_that_wants_a_certificate_lets_in_who_has_one() {
    let paper = Paper::new("localhost", false);
    let door = secure(&paper, true);
    let folder = Desk::new("bad-client-paper");
    folder.write("ca.pem", &paper.ca);
    folder.write("me.pem", &paper.client.0);
    folder.write("me.key", &paper.client.1);
    let [ca, certificate, key] =
        ["ca.pem", "me.pem", "me.key"].map(|name| folder.path(name).display().to_string());
    let url = format!("wss://localhost:{}/ws/", door.port());
    refused("bad-no-client-paper", &url, &["--ca", &ca], "tls_failed");
    let more = ["--ca", &ca, "--client-cert", &certificate, "--client-key", &key];
    // Far enough in to be told no.
    refused("bad-with-client-paper", &url, &more, "http_403");
}

#[test]
fn a_server_without_tls_is_told() {
    let door = Door::raw(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        hold(stream);
    });
    let url = door.url().replace("ws://", "wss://");
    refused("bad-no-tls", &url, &[], "tls_failed");
}
