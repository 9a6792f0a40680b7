//! Who may use whom, and what pure code never names.

use super::source::{Named, paths};

/// A crate of the workspace.
pub struct Crate {
    /// Its sources, from the project's root.
    pub root: &'static str,
    /// Its folders, each after all that it may use.
    pub folders: &'static [Folder],
    /// Paths that no file of it may name.
    pub never: &'static [&'static str],
}

pub struct Folder {
    pub name: &'static str,
    /// Input and time in, output out: no clock, no randomness, no I/O.
    pub pure: bool,
    pub may_use: &'static [&'static str],
    /// What it may name of `webrtc`; an empty path is all of it.
    pub webrtc: Option<&'static str>,
}

const fn pure(name: &'static str, may_use: &'static [&'static str]) -> Folder {
    Folder {
        name,
        pure: true,
        may_use,
        webrtc: None,
    }
}

const fn edge(name: &'static str, may_use: &'static [&'static str], webrtc: Option<&'static str>) -> Folder {
    Folder {
        name,
        pure: false,
        may_use,
        webrtc,
    }
}

pub const HARNESS: Crate = Crate {
    root: "src",
    folders: &[
        pure("base", &[]),
        pure("impair", &["base"]),
        pure("signaling", &["base"]),
        pure("scenario", &["base", "impair", "signaling"]),
        pure("plan", &["base", "impair", "signaling", "scenario"]),
        pure("metrics", &["base", "plan"]),
        pure(
            "peer",
            &["base", "impair", "scenario", "plan", "signaling", "metrics"],
        ),
        pure("verdict", &["base", "plan", "metrics"]),
        pure("compare", &["base", "metrics", "verdict"]),
        pure("capacity", &["base"]),
        pure(
            "report",
            &[
                "base", "scenario", "plan", "metrics", "verdict", "compare", "capacity",
            ],
        ),
        pure(
            "hunt",
            &[
                "base", "impair", "scenario", "plan", "metrics", "verdict", "report",
            ],
        ),
        // What a STUN and TURN server says, by the message types of the stack.
        Folder {
            name: "turn",
            pure: true,
            may_use: &["base"],
            webrtc: Some(""),
        },
        edge("world", &["base", "impair", "scenario", "turn"], Some("")),
        // Worlds are siblings: a run gets one as a value, and knows none of them.
        edge(
            "net",
            &["base", "scenario", "turn", "world", "signaling"],
            Some(""),
        ),
        edge("sim", &["base", "impair", "scenario", "turn", "world"], Some("")),
        edge(
            "run",
            &[
                "base",
                "scenario",
                "plan",
                "signaling",
                "metrics",
                "peer",
                "impair",
                "world",
            ],
            Some(""),
        ),
        edge(
            "cli",
            &[
                "base",
                "scenario",
                "plan",
                "signaling",
                "metrics",
                "peer",
                "verdict",
                "compare",
                "capacity",
                "report",
                "hunt",
                "world",
                "net",
                "sim",
                "run",
            ],
            Some("webrtc::peer_connection::RTCIceServer"),
        ),
    ],
    never: &[],
};

pub const SERVER: Crate = Crate {
    root: "reference-server/src",
    folders: &[
        pure("protocol", &[]),
        pure("room", &["protocol"]),
        edge("cli", &["room", "protocol"], Some("")),
    ],
    never: &["rtcstorm", "webrtc", "rtc"],
};

/// Test code that may use more than its folder: (file, folder used).
pub const TEST_ONLY: [(&str, &str); 3] = [
    // Both make a plan by hand, whose peers carry the rules of a scenario's client.
    ("src/metrics/story.rs", "scenario"),
    // And servers of several kinds.
    ("src/metrics/story.rs", "signaling"),
    ("src/verdict/invariants/story.rs", "scenario"),
];

/// What pure code names nowhere.
const IMPURE: [&str; 22] = [
    "Instant::now",
    "std::time::Instant",
    "SystemTime",
    "rand::rng",
    "rand::random",
    "thread_rng",
    "ThreadRng",
    "OsRng",
    "SysRng",
    "std::fs",
    "std::env",
    "std::net",
    "std::thread",
    "std::process::Command",
    "std::process::exit",
    // Their order differs from run to run.
    "HashMap",
    "HashSet",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
];

/// Crates that pure code knows nothing of.
const IMPURE_CRATES: [&str; 6] = [
    "tokio",
    "tokio_tungstenite",
    "axum",
    "clap",
    "indicatif",
    "reference_server",
];

/// What is wrong with the file at `path` (from the project's root, with `/`).
pub fn complaints(of: &Crate, path: &str, text: &str) -> Vec<String> {
    let below = path.strip_prefix(of.root).expect("a file of this crate");
    let module = module_of(below.trim_start_matches('/'));
    let folder = of
        .folders
        .iter()
        .find(|f| module.first().is_some_and(|m| m == f.name));
    paths(text)
        .iter()
        .filter_map(|named| {
            let wrong = match folder {
                Some(folder) => wrong_in(of, folder, named, &module, path),
                None => None,
            };
            let never = of.never.iter().find(|n| named.starts_with(n));
            let wrong = wrong.or_else(|| never.map(|n| format!("{n} is none of its business")))?;
            Some(format!(
                "{path}:{}: {}: {wrong}",
                named.line,
                named.segments.join("::")
            ))
        })
        .collect()
}

fn wrong_in(of: &Crate, folder: &Folder, named: &Named, module: &[String], path: &str) -> Option<String> {
    let name = folder.name;
    if let Some(used) = named.in_crate(module).and_then(|p| p.first().cloned())
        && used != name
        && of.folders.iter().any(|f| f.name == used)
        && !folder.may_use.contains(&used.as_str())
        && !TEST_ONLY.contains(&(path, used.as_str()))
    {
        return Some(format!("{name} must not use {used}"));
    }
    let of_webrtc = ["webrtc", "rtc"].iter().any(|stack| named.starts_with(stack));
    if of_webrtc
        && !folder
            .webrtc
            .is_some_and(|w| w.is_empty() || named.starts_with(w))
    {
        return Some(format!("{name} knows nothing of the stack"));
    }
    let impure = IMPURE.iter().find(|impure| named.contains(impure));
    let impure = impure.or_else(|| IMPURE_CRATES.iter().find(|krate| named.starts_with(krate)));
    impure
        .filter(|_| folder.pure)
        .map(|impure| format!("{name} is pure and names no {impure}"))
}

/// The module of a file: `a/b.rs` → `a::b`, `a/mod.rs` → `a`.
fn module_of(file: &str) -> Vec<String> {
    let mut module: Vec<String> = file
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if module
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        module.pop();
    }
    module
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: Option<&str>) {
        let of = [HARNESS, SERVER].into_iter().find(|of| path.starts_with(of.root));
        let told = complaints(&of.expect("a file of ours"), path, text);
        match expected {
            Some(expected) => assert!(
                told.len() == 1 && told[0].ends_with(expected),
                "{path}: {text}: {told:?}"
            ),
            None => assert!(told.is_empty(), "{path}: {text}: {told:?}"),
        }
    }

    #[test]
    fn every_edge_that_is_not_in_the_table_is_told() {
        for folder in HARNESS.folders {
            let path = format!("src/{}/x.rs", folder.name);
            for used in HARNESS.folders {
                let allowed = used.name == folder.name || folder.may_use.contains(&used.name);
                let told = format!("{} must not use {}", folder.name, used.name);
                let name = used.name;
                for text in [
                    format!("use crate::{name}::T;"),
                    format!("use crate::{{\n    a,\n    {name}::{{self, T}},\n}};"),
                    format!("use super::super::{name}::T;"),
                    format!("mod tests {{ use super::super::super::{name}; }}"),
                    format!("fn f(_: crate::{name}::T) {{}}"),
                ] {
                    let expected = (!allowed).then_some(told.as_str());
                    // `{self, T}` names it twice.
                    let told = complaints(&HARNESS, &path, &text);
                    assert_eq!(!told.is_empty(), expected.is_some(), "{text}: {told:?}");
                    assert!(
                        told.iter().all(|t| t.ends_with(expected.unwrap_or(""))),
                        "{told:?}"
                    );
                }
            }
        }
        check(
            "reference-server/src/protocol/x.rs",
            "use crate::room::Hub;",
            Some("must not use room"),
        );
        check("reference-server/src/ws.rs", "use crate::room::Hub;", None);
    }

    #[test]
    fn every_impure_name_is_told_in_pure_folders_and_in_no_other() {
        let snippets = IMPURE
            .iter()
            .map(|name| match name.strip_suffix('!') {
                Some(name) => format!("fn f() {{ {name}!(\"\") }}"),
                None => format!("use a::{name};").replace("a::std", "std"),
            })
            .chain(IMPURE_CRATES.map(|name| format!("use {name}::x;")))
            .chain(
                [
                    "use std::{collections::BTreeMap, fs};",
                    "let m = std::collections::HashMap::new();",
                ]
                .map(str::to_owned),
            )
            .chain(
                [
                    "#[tokio::test]",
                    "let at = ::std::time::Instant::now();",
                    "use std::time::{Instant as Clock};",
                ]
                .map(str::to_owned),
            );
        for text in snippets {
            check("src/plan/x.rs", &text, Some(""));
            check("src/net/x.rs", &text, None);
            check("reference-server/src/room/x.rs", &text, Some(""));
            check("reference-server/src/ws.rs", &text, None);
        }
    }

    #[test]
    fn only_the_edges_know_the_stack() {
        let use_it = "use webrtc::peer_connection::RTCPeerConnection;";
        check("src/peer/x.rs", use_it, Some("peer knows nothing of the stack"));
        check("src/cli/x.rs", use_it, Some("cli knows nothing of the stack"));
        check("src/cli/x.rs", "use webrtc::peer_connection::RTCIceServer;", None);
        check(
            "src/report/x.rs",
            "use rtc::ice::X;",
            Some("report knows nothing of the stack"),
        );
        check("src/run/x.rs", use_it, None);
        check(
            "reference-server/src/ws.rs",
            use_it,
            Some("webrtc is none of its business"),
        );
        check(
            "reference-server/src/ws.rs",
            "use rtcstorm::base;",
            Some("rtcstorm is none of its business"),
        );
    }

    #[test]
    fn words_that_only_look_like_it_are_let_pass() {
        for text in [
            "// use tokio::x;",
            "/* webrtc::x */ fn f() {}",
            "let s = \"std::fs::read HashMap\"; let r = r#\"tokio::\"#;",
            "use crate::base::Instant; fn f(planned: Instant) { planned.now() }",
            "let environment = std::fmt::format;",
            "fn println() {}",
            "let tokio_like = 1;",
        ] {
            check("src/plan/x.rs", text, None);
        }
    }
}
