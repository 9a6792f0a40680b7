use std::time::Duration;

use super::{
    fields::Reader,
    source::Span,
    tree::{Entry, Node, Value},
    types::{MIN_WINDOW, Threshold, ThresholdCheck, ThresholdMistake},
};
use crate::base::show_duration;

/// The keys of a threshold that says more than its condition. The names are k6's, but for `window`, which k6 has not.
pub(super) const THRESHOLD_KEYS: [&str; 4] = ["threshold", "abortOnFail", "delayAbortEval", "window"];

/// The map under `thresholds`: for each selector one condition or a list of them.
pub(super) fn read_thresholds(
    reader: &mut Reader<'_>,
    entry: &Entry,
    check: &dyn ThresholdCheck,
) -> Option<Vec<Threshold>> {
    let wants = "a map like `connect_ms: ['p(95)<2000']`";
    let Value::Map(entries) = &entry.value.value else {
        reader.wrong_kind(&entry.value, "`thresholds`", wants);
        return None;
    };
    let mut list = Vec::new();
    for metric in entries {
        let selector = &metric.key;
        let items = match &metric.value.value {
            Value::Seq(items) if !items.is_empty() => items.as_slice(),
            Value::Scalar(_) | Value::Map(_) => std::slice::from_ref(&metric.value),
            _ => {
                let message = format!("`{selector}` has no thresholds");
                reader.mistake_help(metric.key_span, message, "expected a list like `['p(95)<2000']`");
                continue;
            }
        };
        for item in items {
            let Some(draft) = read_threshold(reader, item) else {
                continue;
            };
            match check.check(selector, &draft.expression) {
                Ok(()) => list.push(Threshold {
                    selector: selector.clone(),
                    ..draft
                }),
                Err(mistake) => tell(reader, mistake, metric.key_span, draft.span),
            }
        }
    }
    Some(list)
}

/// A text, or a map that says when the condition ends the run. The selector is left empty.
fn read_threshold(reader: &mut Reader<'_>, item: &Node) -> Option<Threshold> {
    if !matches!(item.value, Value::Map(_)) {
        let wants = "a text like `'p(95)<2000'`, or `{threshold: 'p(95)<2000', abortOnFail: true}`";
        return Some(Threshold {
            selector: String::new(),
            expression: reader.scalar(item, "a threshold", wants)?.to_owned(),
            span: item.span,
            abort_on_fail: false,
            delay_abort_eval: None,
            window: None,
        });
    }
    let mut fields = reader.map(item, "a threshold", "a map")?;
    let at = Span {
        end: item.span.start,
        ..item.span
    };
    let expression = fields
        .need(reader, "threshold", at, "threshold: 'p(95)<2000'")
        .and_then(|entry| {
            let text = reader.scalar(&entry.value, "`threshold`", "a text like `'p(95)<2000'`")?;
            Some((text.to_owned(), entry.value.span))
        });
    let abort = fields.take("abortOnFail");
    let abort_on_fail = abort.map_or(Some(false), |entry| reader.flag(entry));
    let delay = fields.take("delayAbortEval");
    let delay_abort_eval: Option<Option<Duration>> =
        delay.map_or(Some(None), |entry| reader.positive_duration(entry).map(Some));
    if let (None, Some(delay)) = (abort, delay)
        && !fields.has_near("abortOnFail")
    {
        reader.mistake_help(
            delay.key_span,
            "`delayAbortEval` without `abortOnFail`: nothing would be ended",
            "add `abortOnFail: true`",
        );
    }
    let window = fields
        .take("window")
        .map_or(Some(None), |entry| read_window(reader, entry).map(Some));
    fields.finish(reader, &THRESHOLD_KEYS);
    let (expression, span) = expression?;
    Some(Threshold {
        selector: String::new(),
        expression,
        span,
        abort_on_fail: abort_on_fail?,
        delay_abort_eval: delay_abort_eval?,
        window: window?,
    })
}

fn read_window(reader: &mut Reader<'_>, entry: &Entry) -> Option<Duration> {
    let window = reader.positive_duration(entry)?;
    if window < MIN_WINDOW {
        let least = show_duration(MIN_WINDOW);
        let message = format!("`window: {}` is shorter than {least}", show_duration(window));
        let help = format!("a window needs samples to say something: take {least} or more");
        reader.mistake_help(entry.value.span, message, help);
        return None;
    }
    Some(window)
}

fn tell(reader: &mut Reader<'_>, mistake: ThresholdMistake, selector: Span, expression: Span) {
    let span = match mistake.in_selector {
        true => selector,
        false => expression,
    };
    match mistake.help {
        Some(help) => reader.mistake_help(span, mistake.message, help),
        None => reader.mistake(span, mistake.message),
    }
}
