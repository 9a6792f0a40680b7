//! `rtcstorm probe`.

use super::program::{Desk, Running, wait_until};

/// The bundled server, and its URL.
fn serve(desk: &Desk) -> (Running, String) {
    let server = desk.start(&["serve", "--listen", "127.0.0.1:0"]);
    let mut url = None;
    wait_until("the server listens", || {
        let said = server.stderr();
        let at = said.find("ws://");
        url = at.and_then(|at| said[at..].split(['"', ' ', '\n']).next().map(str::to_owned));
        url.is_some()
    });
    (server, url.expect("it listens"))
}

#[test]
fn two_peers_meet_and_each_step_is_told() {
    let desk = Desk::new("probe");
    let (server, url) = serve(&desk);
    for protocol in ["dashboard", "protocols/dashboard"] {
        let output = desk.run(&[
            "probe",
            &url,
            "--protocol",
            protocol,
            "--peers",
            "2",
            "--for",
            "1s",
        ]);
        output.assert_code(0);
        for told in [
            "the socket is open",
            r#"-> {"type":"user-joined-room""#,
            r#""token":"[hidden]""#,
            "= welcome; there: ",
            "= roster: ",
            "= offer from ",
            "= answer from ",
            "* joined",
            "the link to 2 is open",
            " characters)",
            "2 of 2 joined, ",
            ", 1 of 1 links open",
        ] {
            assert!(output.stdout.contains(told), "{told}: {}", output.stdout);
        }
        assert!(!output.stdout.contains("a=fingerprint"), "{}", output.stdout);
    }
    let full = desk.run(&[
        "probe", &url, "--peers", "2", "--for", "500ms", "--full", "--room", "here",
    ]);
    full.assert_code(0);
    assert!(full.stdout.contains("a=fingerprint"), "{}", full.stdout);
    assert!(full.stdout.contains(r#""roomId":"here""#), "{}", full.stdout);
    server.kill();
}

#[test]
fn a_wrong_description_is_told_by_what_is_not_understood() {
    let desk = Desk::new("probe-wrong");
    let (server, url) = serve(&desk);
    let text = rtcstorm::scenario::described_protocols()[0].1;
    let wrong = text
        .replace("/type: existing-participants", "/type: existing_participants")
        .replace(
            "  - as: other\n    when: { /type: { exists: true } }\n    kind: /type\n",
            "",
        );
    assert_ne!(wrong, text);
    desk.write("wrong.yaml", &wrong);
    let output = desk.run(&["probe", &url, "--protocol", "wrong.yaml", "--for", "20s"]);
    output.assert_code(99);
    for told in [
        "= not understood: nearest is `welcome` (5): `/type` is \"existing-participants\", not `existing_participants`",
        "the join has failed: no answer within 10s",
        "0 of 1 joined",
    ] {
        assert!(output.stdout.contains(told), "{told}: {}", output.stdout);
    }
    // What is no description is a mistake in its file.
    desk.write("none.yaml", "send: {}\nreceive: []\n");
    let output = desk.run(&["probe", &url, "--protocol", "none.yaml"]);
    output.assert_code(104);
    assert!(
        output.stderr.contains("none.yaml:2:10: `receive` has 0 entries"),
        "{}",
        output.stderr
    );
    let output = desk.run(&["probe", &url, "--protocol", "missing.yaml"]);
    output.assert_code(104);
    assert!(
        output.stderr.contains("missing.yaml cannot be read"),
        "{}",
        output.stderr
    );
    let output = desk.run(&["probe", &url, "--protocol", "protocols/dashbord"]);
    output.assert_code(104);
    let told = "they are protocols/dashboard, ";
    assert!(output.stderr.contains(told), "{}", output.stderr);
    server.kill();
}

#[test]
fn nobody_elses_server_is_probed_unasked() {
    let desk = Desk::new("probe-guard");
    let output = desk.run(&["probe", "wss://rtc.example.org/?token=secret"]);
    output.assert_code(104);
    assert!(
        output.stderr.contains("--allow-target rtc.example.org"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("secret"), "{}", output.stderr);
}
