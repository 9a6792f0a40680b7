//! What holds for every page of ours, at any width and in both themes.

use std::path::Path;

use serde_json::Value;

use crate::browser::Page;

/// A desktop's window, and a phone's.
const LOOKS: [(u32, &str); 3] = [(1280, "light"), (1280, "dark"), (390, "dark")];

/// Everything is opened, for what is closed has no size.
const OPEN_ALL: &str = "document.querySelectorAll('details').forEach((one) => { one.open = true; })";

/// Every chart has a size, and something in it that has one, and a name for who does not see it.
const NOT_DRAWN: &str = "[...document.querySelectorAll('svg:not(svg svg)')].filter((svg) => {
    const box = svg.getBoundingClientRect();
    const shapes = [...svg.querySelectorAll('path, rect, line, polyline, polygon, circle, text')];
    const drawn = shapes.some((shape) => { const own = shape.getBoundingClientRect(); return own.width > 0 || own.height > 0; });
    const named = svg.getAttribute('aria-hidden') === 'true' || svg.closest('[aria-hidden=true]') || svg.hasAttribute('aria-label')
        || svg.hasAttribute('aria-labelledby') || svg.querySelector('title');
    return box.width < 8 || box.height < 4 || !drawn || !named;
}).map((svg) => svg.outerHTML.slice(0, 200))";

/// What reaches beyond the window, and is not in something that scrolls by itself.
const TOO_WIDE: &str = "document.documentElement.scrollWidth <= window.innerWidth ? [] : [...document.body.querySelectorAll('*')]
    .filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1)
    .map((one) => one.tagName + '.' + one.getAttribute('class')).slice(0, 10)
    .concat(document.documentElement.scrollWidth + ' px of ' + window.innerWidth)";

/// All that the keyboard has to reach.
const CONTROLS: &str = "window.controls = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')]
    .filter((one) => one.checkVisibility() && !one.disabled), window.reached = new Set(), window.controls.length";

const NOT_REACHED: &str =
    "window.controls.filter((one) => !window.reached.has(one)).map((one) => one.outerHTML.slice(0, 120))";

/// Whether a page has charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charts {
    Some,
    None,
}

/// Looks at a page in every width and theme; `url`: loads it before, each time.
pub async fn look(page: &mut Page, url: Option<&str>, folder: &Path, has: Charts) {
    for (width, theme) in LOOKS {
        let at = format!("{width} px, {theme}");
        page.window(width, theme).await;
        if let Some(url) = url {
            page.open(url).await;
        }
        page.picture(&folder.join(format!("{width}-{theme}.png"))).await;
        page.value(OPEN_ALL).await;
        let charts = page.value("document.querySelectorAll('svg').length").await;
        assert_eq!(
            charts.as_u64() > Some(0),
            has == Charts::Some,
            "{at}: {charts} charts"
        );
        assert_eq!(
            page.value(NOT_DRAWN).await,
            none(),
            "{at}: charts that are not drawn, or have no name"
        );
        assert_eq!(page.value(TOO_WIDE).await, none(), "{at}: wider than the window");
        assert_eq!(
            page.value("document.querySelectorAll('h1').length").await,
            1,
            "{at}"
        );
    }
    let count = page.value(CONTROLS).await.as_u64().expect("a number");
    assert!(count > 0, "nothing to be reached");
    page.value("document.activeElement?.blur(), getSelection().removeAllRanges(), scrollTo(0, 0)")
        .await;
    for _ in 0..count + 3 {
        page.key("Tab").await;
        page.value("window.reached.add(document.activeElement), 0").await;
    }
    assert_eq!(
        page.value(NOT_REACHED).await,
        none(),
        "Tab does not come to these"
    );
}

fn none() -> Value {
    Value::Array(Vec::new())
}
