//! The page around the charts.

use super::view::{Head, View};
use crate::report::html;

pub(super) const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// What its style sheet is: that of the charts, and its own.
pub(super) fn style() -> String {
    format!("{}\n{STYLE}", html::style())
}

/// The page as it is now. Its script keeps it up to date.
pub(super) fn page(view: Option<&View>) -> String {
    match view {
        Some(view) => filled(&view.head, view.charts()),
        None => filled(&Head::default(), ""),
    }
}

fn filled(head: &Head, charts: &str) -> String {
    let name = head.name.as_str();
    let title = match name {
        "" => "rtcstorm".to_owned(),
        name => format!("{}: rtcstorm", escaped(name)),
    };
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
<script src="/page.js" defer></script>
</head>
<body class="live">
<header class="live-head">
<div class="live-title">
<h1 id="name">{name}</h1>
<p id="verdict" class="live-verdict" role="status" data-verdict="{verdict}">{verdict}</p>
<button id="pause" type="button" aria-pressed="false" hidden>Pause</button>
</div>
<p id="about">{about}</p>
<p id="line">{line}</p>
<ul id="reasons"></ul>
<ol id="ended"></ol>
<p id="contact" role="status"><noscript>Without scripts this page shows one instant: load it again for the next.</noscript></p>
</header>
<main>
<h2 class="live-section">Charts</h2>
<div id="charts">{charts}</div>
</main>
<footer class="live-foot">
<p>The same in figures: <a href="/metrics">/metrics</a> (Prometheus), <a href="/report.json">/report.json</a></p>
</footer>
</body>
</html>
"#,
        name = escaped(name),
        about = escaped(&head.about),
        verdict = escaped(head.verdict),
        line = escaped(&head.line),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scenario_says_is_text() {
        let head = Head {
            name: "<script>\"&".to_owned(),
            ..Head::default()
        };
        let page = filled(&head, "<svg></svg>");
        assert!(page.contains("&lt;script&gt;&quot;&amp;: rtcstorm</title>"));
        assert!(!page.contains("<script>\"") && page.contains("<div id=\"charts\"><svg></svg></div>"));
    }
}
