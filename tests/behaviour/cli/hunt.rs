//! `hunt` and `replay`.

use super::program::Desk;

/// Two rooms of three who come and go, and repeat their offers.
const REPEATING: &str = "
name: repeating
rooms: { count: 2, peers: 3 }
steps:
  - join
  - wait: connected
  - pause: 100ms..200ms
  - duplicate_offer: { copies: 2 }
  - pause: 1s
";

/// One of two leaves and is back at once.
const COMING_AND_GOING: &str = "
name: coming-and-going
groups:
  - { name: host, peers: 1, steps: [join] }
  - name: guest
    peers: 1
    steps: [join, { wait: connected }, { pause: 0s..1s }, leave, join, { wait: connected }]
";

/// One of two loses its network for long enough that ICE is restarted.
const TUNNEL: &str = "
name: tunnel
groups:
  - name: guest
    peers: 1
    steps: [join, { wait: connected }, { drop_network: { scope: media, for: 8s } }, { wait: recovered }]
  - { name: host, peers: 1, steps: [join] }
";

#[test]
fn a_mutant_is_found_grouped_and_shrunk_and_its_case_replays() {
    let desk = Desk::new("hunt");
    desk.write("repeating.yaml", REPEATING);
    let hunt = ["hunt", "repeating.yaml", "--seeds", "8", "--out", "out"];
    let mutant = [&hunt[..], &["--set", "client.dedupe_offers=false"]].concat();
    let output = desk.run(&mutant);
    output.assert_code(99).assert_sane();
    assert!(
        output
            .stdout
            .starts_with("FAIL  repeating  8 seeds from 0 on, random order"),
        "{output:#?}"
    );
    assert!(
        output
            .stdout
            .contains("the client's part in it: dedupe_offers: false"),
        "{output:#?}"
    );

    let findings = desk.json("out/hunt.json");
    assert_eq!(
        (&findings["runs"], &findings["failed"]),
        (&8.into(), &8.into()),
        "{findings:#}"
    );
    let groups = findings["groups"].as_array().expect("a list");
    assert_eq!(groups.len(), 1, "{findings:#}");
    let case = &groups[0];
    assert!(
        case["signature"]
            .as_str()
            .is_some_and(|s| s.starts_with("invariant 7")),
        "{case:#}"
    );
    assert_eq!(
        (&case["case_rooms"], &case["case_peers"]),
        (&1.into(), &2.into()),
        "{case:#}"
    );
    assert!(
        case["case_steps"].as_u64().is_some_and(|steps| steps <= 5),
        "{case:#}"
    );

    let folder = case["folder"].as_str().expect("its path");
    for file in ["scenario.yaml", "case.json", "story.md", "events.ndjson"] {
        assert!(desk.path(folder).join(file).is_file(), "{file}");
    }
    let story = desk.read(&format!("{folder}/story.md"));
    assert!(
        story.contains("sequenceDiagram") && story.contains("HERE offer"),
        "{story}"
    );

    let again = desk.run(&["replay", folder]);
    again.assert_code(99).assert_sane();
    assert!(
        again.stdout.contains("The same as before: invariant 7"),
        "{again:#?}"
    );
    // The scenario of the case stands on its own.
    let scenario = format!("{folder}/scenario.yaml");
    let schedule = case["case_schedule"].as_str().expect("an order");
    let run = ["run", &scenario, "--sim", "--schedule", schedule, "--out", "run"];
    desk.run(&run).assert_code(99);

    let seed = desk.run(&["replay", "3", "--hunt", "out", "--until", "member_joined"]);
    seed.assert_code(99);
    let told = seed
        .stdout
        .lines()
        .filter(|line| line.contains("heard of it joining"));
    assert_eq!(told.count(), 1, "{seed:#?}");
    assert!(seed.stdout.contains("The same as before"), "{seed:#?}");
}

/// What a hunt says by itself of the model of a deployed client.
#[test]
fn the_deployed_clients_faults_are_found_shrunk_and_blamed_on_its_rules() {
    let desk = Desk::new("deployed");
    let found = |out: &str, args: &[&str]| {
        let output = desk.run(&[&["hunt"], args, &["--out", out]].concat());
        output.assert_code(99);
        let findings = desk.json(&format!("{out}/hunt.json"));
        findings["groups"][0].clone()
    };
    desk.write("coming.yaml", COMING_AND_GOING);
    desk.write("tunnel.yaml", TUNNEL);
    let plain = found(
        "plain",
        &[
            "smoke",
            "--rooms",
            "1",
            "--client",
            "dashboard-4.0",
            "--seeds",
            "3",
        ],
    );
    let steps = plain["case_steps"].as_u64();
    assert_eq!(
        (&plain["case_peers"], steps),
        (&2.into(), Some(3)),
        "two joins and a wait: {plain:#}"
    );
    assert_eq!(
        plain["blamed"],
        serde_json::json!(["offers_in: [have-local-offer]"])
    );
    assert!(
        plain["signature"]
            .as_str()
            .is_some_and(|s| s.contains("offer dropped")),
        "{plain:#}"
    );

    let fixed = ["--client", "dashboard-4.0-fixed", "--seeds", "6"];
    let lock = found("lock", &[&["coming.yaml"], &fixed[..]].concat());
    let blamed = lock["blamed"].as_array().expect("a list");
    assert!(blamed.contains(&"offer_lock: 2s".into()), "{lock:#}");

    // Shrinking waits for recoveries in vain takes its time: that it is found is enough here.
    let restart = [&["tunnel.yaml", "--no-shrink"], &fixed[..]].concat();
    let signature = found("restart", &restart)["signature"].clone();
    assert!(
        signature
            .as_str()
            .is_some_and(|s| s.starts_with("wait: recovered")),
        "{signature}"
    );
}

#[test]
fn a_case_whose_client_is_mended_says_so() {
    let desk = Desk::new("mended");
    desk.write("repeating.yaml", REPEATING);
    let mutant = "client.dedupe_offers=false";
    desk.run(&[
        "hunt",
        "repeating.yaml",
        "--seeds",
        "2",
        "--out",
        "out",
        "--no-shrink",
        "--set",
        mutant,
    ])
    .assert_code(99);
    let findings = desk.json("out/hunt.json");
    let folder = findings["groups"][0]["folder"]
        .as_str()
        .expect("its path")
        .to_owned();
    let scenario = format!("{folder}/scenario.yaml");
    let mended = desk
        .read(&scenario)
        .replace("dedupe_offers: false", "dedupe_offers: true");
    desk.write(&scenario, &mended);
    let output = desk.run(&["replay", &folder]);
    output.assert_code(0);
    assert!(output.stdout.contains("Not the same as before"), "{output:#?}");
    assert!(output.stdout.contains("now:  nothing breaks"), "{output:#?}");
}

#[test]
fn the_reference_is_not_accused_and_the_share_has_an_interval() {
    let desk = Desk::new("innocent");
    desk.write("repeating.yaml", REPEATING);
    let output = desk.run(&["hunt", "repeating.yaml", "--seeds", "10", "--jobs", "2"]);
    output.assert_code(0).assert_sane();
    assert!(
        output.stdout.contains("No run failed: 0 of 10: 0 % (0–28 %)"),
        "{output:#?}"
    );
    let json = desk.run(&["hunt", "repeating.yaml", "--seeds", "1", "--json"]);
    json.assert_code(0);
    let findings: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(findings["schema"], "rtcstorm.hunt/1");
}

/// Only the first hundred seeds of a group are on record.
#[test]
fn a_seed_whose_outcome_is_not_on_record_is_not_called_another_one() {
    let desk = Desk::new("record");
    desk.write(
        "lone.yaml",
        "{ name: lone, rooms: { peers: 2 }, steps: [join, { wait: connected }] }",
    );
    let deployed = ["--client", "dashboard-4.0", "--no-shrink", "--out", "out"];
    desk.run(&[&["hunt", "lone.yaml", "--seeds", "102"], &deployed[..]].concat())
        .assert_code(99);
    for (seed, says) in [
        ("99", "The same as before"),
        ("101", "not on record"),
        ("500", "not on record"),
    ] {
        let output = desk.run(&["replay", seed, "--hunt", "out"]);
        output.assert_code(99);
        assert!(output.stdout.contains(says), "{seed}: {output:#?}");
    }
}

#[test]
fn a_hunt_ends_after_so_many_failures() {
    let desk = Desk::new("enough");
    desk.write("repeating.yaml", REPEATING);
    let mutant = "client.dedupe_offers=false";
    let output = desk.run(&[
        "hunt",
        "repeating.yaml",
        "--failures",
        "3",
        "--jobs",
        "1",
        "--out",
        "out",
        "--no-shrink",
        "--set",
        mutant,
    ]);
    output.assert_code(99);
    let findings = desk.json("out/hunt.json");
    assert_eq!(findings["ended_by"], "--failures 3");
    // What is under way in that moment is still counted.
    assert!(
        findings["failed"]
            .as_u64()
            .is_some_and(|failed| (3..100).contains(&failed)),
        "{findings:#}"
    );
}

#[test]
fn what_makes_no_sense_is_said() {
    let desk = Desk::new("nonsense");
    desk.write("repeating.yaml", REPEATING);
    desk.run(&["hunt", "repeating.yaml", "--seeds", "0"])
        .assert_code(2);
    desk.run(&["hunt", "repeating.yaml", "--jobs", "0"])
        .assert_code(2);
    desk.run(&["hunt", "repeating.yaml", "--url", "ws://127.0.0.1:9/ws/"])
        .assert_code(2)
        .assert_says("virtual time");
    desk.run(&["hunt", "nowhere.yaml"]).assert_code(104);
    desk.run(&["hunt", "repeating.yaml", "--client", "nobody"])
        .assert_code(104)
        .assert_says("nobody");
    desk.run(&["replay", "nowhere"])
        .assert_code(104)
        .assert_says("there is no such folder");
    desk.run(&["replay", "7"])
        .assert_code(104)
        .assert_says("there is no hunt");
    desk.run(&["hunt", "repeating.yaml", "--seeds", "1", "--out", "out"])
        .assert_code(0);
    desk.run(&["replay", "out"])
        .assert_code(104)
        .assert_says("nothing failed in that hunt");
    desk.run(&["replay", "0", "--hunt", "out", "--until", "tea"])
        .assert_code(2)
        .assert_says("these did: ");
    desk.write("out/hunt.json", "{}");
    desk.run(&["replay", "0", "--hunt", "out"])
        .assert_code(104)
        .assert_says("is no hunt");
}

#[test]
fn mutants_are_hunted_until_each_is_caught() {
    let desk = Desk::new("hunt-mutants");
    let mutants = |list: &str| REPEATING.replace("steps:", &format!("mutants: {list}\nsteps:"));
    desk.write("caught.yaml", &mutants("[{ dedupe_offers: false }]"));
    let hunt = ["--mutants", "--seeds", "3", "--no-shrink", "--out", "out"];
    let output = desk.run(&[&["hunt", "caught.yaml"], &hunt[..]].concat());
    output.assert_code(0).assert_sane();
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines[0], "own client: innocent in 3 seeds");
    assert!(
        lines[1].starts_with("{ dedupe_offers: false }: caught by seed 0, invariant 7"),
        "{output:#?}"
    );
    desk.run(&["replay", "out/mutant-01"])
        .assert_code(99)
        .assert_sane();

    // One that is as good as the reference here, and an own client that is the mutant itself.
    desk.write("missed.yaml", &mutants("[{ dedupe_answers: false }]"));
    let output = desk.run(&[&["hunt", "missed.yaml"], &hunt[..]].concat());
    output.assert_code(99).assert_sane();
    assert!(
        output
            .stdout
            .contains("{ dedupe_answers: false }: NOT CAUGHT in 3 seeds")
    );
    let guilty = ["hunt", "caught.yaml", "--set", "client.dedupe_offers=false"];
    let output = desk.run(&[&guilty[..], &hunt[..]].concat());
    output.assert_code(99).assert_sane();
    assert!(
        output
            .stdout
            .starts_with("own client: FAILS by seed 0, invariant 7"),
        "{output:#?}"
    );

    desk.write("none.yaml", REPEATING);
    let output = desk.run(&[&["hunt", "none.yaml"], &hunt[..]].concat());
    output.assert_code(104);
    assert!(output.stderr.contains("none.yaml has no mutants"), "{output:#?}");
}

#[test]
fn nobody_joins_a_hunt_from_outside_and_a_scenario_that_waits_for_that_is_refused() {
    let desk = Desk::new("hunt-external");
    let hunt = |scenario: &str, more: &[&str]| {
        desk.write("open.yaml", scenario);
        let output = desk.run(&[&["hunt", "open.yaml", "--seeds", "2", "--out", "out"], more].concat());
        output
            .assert_code(104)
            .assert_no_data()
            .assert_says("error: open.yaml: a hunt plays in virtual time, where nobody joins from outside")
            .assert_says("help: ");
        assert!(!desk.path("out").exists(), "at once: nothing was played");
        output
    };
    let alike = "
name: open
rooms: { peers: 2 }
steps: [join, { wait: connected }, { wait: { for: external, within: 1h } }]
";
    hunt(alike, &[]).assert_says("a step waits for that (`wait: external`)");
    let mutants = format!("{alike}mutants: [{{ dedupe_offers: false }}]\n");
    hunt(&mutants, &["--mutants"]);
    hunt(
        "
name: open
groups:
  - { name: host, peers: 1, steps: [join, { wait: connected }] }
  - { name: door, peers: 1, steps: [join, { wait: connected }, { wait: { for: external, count: 0 } }] }
",
        &[],
    )
    .assert_says("the group `door` waits for that");
}
