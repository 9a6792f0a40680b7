//! What `junit-10.xsd` allows, the schema by which Jenkins's xUnit plugin takes JUnit XML or refuses it.

use quick_xml::{Reader, events::Event};

/// An element: its name, the attributes it must have and may have, and what may be in it.
struct Element {
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
    children: &'static [&'static str],
    has_text: bool,
}

const ELEMENTS: [Element; 9] = [
    Element {
        name: "testsuites",
        required: &[],
        optional: &["name", "time", "tests", "failures", "errors"],
        children: &["testsuite"],
        has_text: false,
    },
    Element {
        name: "testsuite",
        required: &["name", "tests", "failures", "errors"],
        optional: &[
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
            "version",
        ],
        children: &["testsuite", "properties", "testcase", "system-out", "system-err"],
        has_text: false,
    },
    Element {
        name: "properties",
        required: &[],
        optional: &[],
        children: &["property"],
        has_text: false,
    },
    Element {
        name: "property",
        required: &["name", "value"],
        optional: &[],
        children: &[],
        has_text: false,
    },
    Element {
        name: "testcase",
        required: &["name"],
        optional: &["time", "classname", "group"],
        children: &["skipped", "error", "failure", "system-out", "system-err"],
        has_text: false,
    },
    outcome("failure"),
    outcome("error"),
    outcome("skipped"),
    Element {
        name: "system-out",
        required: &[],
        optional: &[],
        children: &[],
        has_text: true,
    },
];

const fn outcome(name: &'static str) -> Element {
    Element {
        name,
        required: &[],
        optional: &["type", "message"],
        children: &[],
        has_text: true,
    }
}

/// One case of a file.
#[derive(Debug, Default)]
pub struct Case {
    pub name: String,
    /// `failure`, `error`, `skipped`, or nothing.
    pub outcome: String,
    /// The text of the outcome.
    pub text: String,
}

/// The cases of a file that the schema takes; what it says of their number is true.
#[track_caller]
pub fn cases(xml: &str) -> Vec<Case> {
    read(xml).unwrap_or_else(|why| panic!("{why}\n{xml}"))
}

fn read(xml: &str) -> Result<Vec<Case>, String> {
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<&Element> = Vec::new();
    let mut cases: Vec<Case> = Vec::new();
    let mut told = Vec::new();
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                let name = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
                let element = ELEMENTS.iter().find(|element| element.name == name);
                let element = element.ok_or_else(|| format!("<{name}> is not known"))?;
                let fits = match open.last() {
                    None => name == "testsuites",
                    Some(parent) => parent.children.contains(&&*name),
                };
                fits.then_some(())
                    .ok_or_else(|| format!("<{name}> does not belong there"))?;
                let attributes = attributes(tag)?;
                check_attributes(element, &attributes)?;
                let value = |name: &str| {
                    let found = attributes.iter().find(|(attribute, _)| attribute == name);
                    found.map(|(_, value)| value.clone()).unwrap_or_default()
                };
                match &*name {
                    "testsuites" => told = ["tests", "failures", "errors"].map(value).to_vec(),
                    "testcase" => cases.push(Case {
                        name: value("name"),
                        ..Case::default()
                    }),
                    "failure" | "error" | "skipped" => {
                        let case = cases.last_mut().ok_or("an outcome of no case")?;
                        if !case.outcome.is_empty() {
                            return Err(format!("{} has two outcomes", case.name));
                        }
                        case.outcome = name;
                        case.text = value("message") + "\n";
                    }
                    _ => {}
                }
                if matches!(event, Event::Start(_)) {
                    open.push(element);
                }
            }
            Event::End(_) => _ = open.pop(),
            Event::Text(text) => {
                let text = text.decode().map_err(|error| error.to_string())?;
                if !text.trim().is_empty() && !open.last().is_some_and(|element| element.has_text) {
                    return Err(format!("text in the wrong place: {text}"));
                }
                if open
                    .last()
                    .is_some_and(|element| element.optional.contains(&"message"))
                {
                    cases.last_mut().ok_or("text of no case")?.text += &text;
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let count = |outcome: &str| {
        cases
            .iter()
            .filter(|case| case.outcome == outcome)
            .count()
            .to_string()
    };
    let true_ones = [cases.len().to_string(), count("failure"), count("error")];
    match told == true_ones {
        true => Ok(cases),
        false => Err(format!("it says {told:?}, and has {true_ones:?}")),
    }
}

fn attributes(tag: &quick_xml::events::BytesStart<'_>) -> Result<Vec<(String, String)>, String> {
    tag.attributes()
        .map(|attribute| {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = String::from_utf8_lossy(&attribute.value);
            let value = quick_xml::escape::unescape(&value).map_err(|error| error.to_string())?;
            let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
            Ok((name, value.into_owned()))
        })
        .collect()
}

fn check_attributes(element: &Element, attributes: &[(String, String)]) -> Result<(), String> {
    let name = element.name;
    let has = |wanted: &&&str| attributes.iter().any(|(attribute, _)| attribute == **wanted);
    if let Some(missing) = element.required.iter().find(|wanted| !has(wanted)) {
        return Err(format!("<{name}> has no {missing}"));
    }
    for (attribute, value) in attributes {
        let mut known = element.required.iter().chain(element.optional);
        if !known.any(|known| known == attribute) {
            return Err(format!(
                "<{name}> has a {attribute}, which the schema does not know"
            ));
        }
        // SUREFIRE_TIME, as far as seconds go.
        let is_time = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if attribute == "time" && (!is_time || value.parse::<f64>().is_err()) {
            return Err(format!("{value} are no seconds"));
        }
    }
    Ok(())
}

#[test]
fn the_rules_refuse_what_the_schema_refuses() {
    let whole = r#"<testsuites tests="1" failures="1" errors="0"><testsuite name="a" tests="1" failures="1" errors="0" time="0.5"><testcase name="b"><failure message="c">d</failure></testcase></testsuite></testsuites>"#;
    assert_eq!(
        read(whole).map(|cases| cases[0].text.clone()),
        Ok("c\nd".to_owned())
    );
    for (of, by) in [
        (
            "tests=\"1\" failures=\"1\" errors=\"0\"><testsuite ",
            "skipped=\"0\" tests=\"1\" failures=\"1\" errors=\"0\"><testsuite ",
        ),
        ("name=\"b\"", "name=\"b\" assertions=\"1\""),
        ("<testcase name=\"b\">", "<testcase>"),
        ("<failure", "<properties/><failure"),
        ("</failure>", "</failure><skipped/>"),
        ("\"0.5\"", "\"1e3\""),
        ("failures=\"1\"", "failures=\"2\""),
        ("<testcase", "text<testcase"),
    ] {
        assert!(whole.contains(of), "{of}");
        let bent = whole.replacen(of, by, 1);
        assert!(read(&bent).is_err(), "{bent}");
    }
}
