//! Secrets: where they may come from, and that what is too short to be hidden is not taken for one.

use super::{
    door::{Door, answer},
    program::Desk,
    target::{head_of, scenario},
};

#[test]
fn a_secret_that_is_too_short_to_be_hidden_is_not_sent() {
    let door = Door::new(|stream, _| answer(stream, "403 Forbidden", ""));
    let desk = Desk::new("target-short");
    for (more, says) in [
        (
            "  headers: { Authorization: 'Bearer ${env:SHORT}' }\n",
            "`Authorization` is a secret of 3 characters",
        ),
        ("  query: { token: abc }\n", "`token` is a secret of 3 characters"),
        (
            "  headers: { X-Api-Key: { env: SHORT } }\n",
            "`X-Api-Key` is a secret of 3 characters",
        ),
        (
            "  proxy: 'http://me:abc@127.0.0.1:1'\n",
            "the proxy's password is a secret of 3 characters",
        ),
        (
            "  headers: { A: '${jwt}' }\n  jwt: { algorithm: HS256, key: { env: SHORT } }\n",
            "the key of `jwt` is a secret of 3 characters",
        ),
    ] {
        desk.write("door.yaml", &scenario(&door.url(), more));
        let args = [
            "run",
            "door.yaml",
            "--out",
            "out",
            "--quiet",
            "--allow-target",
            "127.0.0.1",
        ];
        desk.run_with(&[("SHORT", "abc")], &args)
            .assert_code(104)
            .assert_says(says)
            .assert_says("use one of 4 characters or more")
            .assert_sane();
    }
    assert!(door.knocks().is_empty());
    // What is no secret may be as short as it likes.
    desk.write(
        "door.yaml",
        &scenario(
            &door.url(),
            "  headers: { X-Tenant: eu }\n  cookies: { lang: en }\n",
        ),
    );
    desk.run(&["run", "door.yaml", "--out", "out", "--quiet"])
        .assert_code(99);
}

/// Literal words of four to seven characters, where their name says what they are: the server says them all again.
#[test]
fn short_words_under_the_name_of_a_secret_are_hidden() {
    let door = Door::new(|stream, head| {
        let said: String = head
            .split([' ', '?', '=', '&', '\r', '\n'])
            .filter(|word| word.contains("s3c"))
            .collect::<Vec<_>>()
            .join(" ");
        answer(
            stream,
            "302 Found",
            &format!("Location: /{}\r\n", said.replace(' ', "/")),
        );
    });
    let desk = Desk::new("target-short-words");
    let more =
        "  headers: { Authorization: 'Bearer s3c1' }\n  query: { token: s3c22 }\n  cookies: { c: s3c333 }\n";
    let url = format!("{}?key=s3c4", door.url());
    desk.write("door.yaml", &scenario(&url, more));
    desk.run(&["run", "door.yaml", "--out", "out", "--quiet"])
        .assert_code(99);
    let events = desk.read("out/events.ndjson");
    assert!(events.contains("[hidden]") && !events.contains("s3c"), "{events}");
}

#[test]
fn a_secret_on_the_command_line_is_refused_before_anybody_knocks() {
    let door = Door::new(|stream, _| answer(stream, "403 Forbidden", ""));
    let desk = Desk::new("target-spoken");
    desk.write("door.yaml", &scenario(&door.url(), ""));
    for flags in [
        &["--header", "Authorization: Bearer s3cret"][..],
        &["--query", "token=s3cret"],
        &["--set", "target.headers.Authorization=Bearer s3cret"],
    ] {
        for command in ["run", "check", "plan"] {
            let output = desk.run(&[&[command, "door.yaml"], flags].concat());
            output
                .assert_code(2)
                .assert_says("is a secret that stands on the command line")
                .assert_says("TOKEN}")
                .assert_no_data();
            assert!(!output.stderr.contains("s3cret"), "{output:?}");
        }
    }
    assert!(door.knocks().is_empty());
    let env = [
        ("RTCSTORM_HEADER", "Authorization: Bearer s3cret"),
        ("TOKEN", "s3cret-two"),
    ];
    let args = [
        "run",
        "door.yaml",
        "--out",
        "out",
        "--quiet",
        "--query",
        "token=${env:TOKEN}",
    ];
    let output = desk.run_with(&env, &args);
    output.assert_code(99);
    let head = head_of(&door);
    assert!(
        head.contains("token=s3cret-two") && head.contains("Bearer s3cret"),
        "{head}"
    );
    assert!(
        output.stdout.contains("--query 'token=${env:TOKEN}'"),
        "{}",
        output.stdout
    );
    assert!(!output.stdout.contains("s3cret"), "{}", output.stdout);
}
