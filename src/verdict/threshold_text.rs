use std::ops::Range;

use crate::metrics::{Kind, Metric, MetricKey};

use super::{
    threshold::{Aggregation, Comparison},
    threshold_error::{ThresholdError, ThresholdPart, ThresholdProblem, aggregations},
};

/// `metric{tag:value,…}`.
pub(super) fn selector(text: &str) -> Result<(&'static Metric, MetricKey), ThresholdError> {
    let mut text = Text::new(ThresholdPart::Selector, text);
    let (name, span) = text.word("a metric's name")?;
    let metric = Metric::named(name)
        .ok_or_else(|| text.error(span, ThresholdProblem::UnknownMetric(name.to_owned())))?;
    let mut key = MetricKey::new(name);
    if text.eat("{") {
        loop {
            let (tag, tag_span) = text.word("a tag's name")?;
            let known = metric.tag(tag).ok_or_else(|| {
                let tag = tag.to_owned();
                text.error(tag_span.clone(), ThresholdProblem::UnknownTag { metric, tag })
            })?;
            text.expect(":", "`:`")?;
            let (value, span) = text.word("a tag's value")?;
            if !known.values.contains(&value) {
                let (tag, value) = (tag.to_owned(), value.to_owned());
                return Err(text.error(span, ThresholdProblem::UnknownValue { metric, tag, value }));
            }
            if key.tags.insert(tag.to_owned(), value.to_owned()).is_some() {
                return Err(text.error(tag_span, ThresholdProblem::RepeatedTag(tag.to_owned())));
            }
            if !text.eat(",") {
                break;
            }
        }
        text.expect("}", "`,` or `}`")?;
    }
    text.end()?;
    Ok((metric, key))
}

/// `aggregation comparison number`.
pub(super) fn expression(
    text: &str,
    metric: &'static Metric,
) -> Result<(Aggregation, Comparison, f64), ThresholdError> {
    let mut text = Text::new(ThresholdPart::Expression, text);
    let aggregation = aggregation(&mut text, metric)?;
    let comparison = [
        // The longer ones first: `<` begins `<=`.
        Comparison::LessOrEqual,
        Comparison::GreaterOrEqual,
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::Greater,
    ]
    .into_iter()
    .find(|comparison| text.eat(&comparison.to_string()))
    .ok_or_else(|| text.expected("`<`, `<=`, `>`, `>=`, `==` or `!=`"))?;
    let (limit, _) = text.number()?;
    text.end()?;
    Ok((aggregation, comparison, limit))
}

/// [`expression`] as a regular expression, from the same words.
pub(super) fn pattern(kind: Kind) -> String {
    const NUMBER: &str = r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?";
    let words = aggregations(kind)
        .iter()
        .map(|word| match word.strip_suffix("(95)") {
            Some(percentile) => format!(r"{percentile}\s*\(\s*{NUMBER}\s*\)"),
            None => (*word).to_owned(),
        });
    let words: Vec<String> = words.collect();
    format!(r"^\s*({})\s*(<=|>=|==|!=|<|>)\s*{NUMBER}\s*$", words.join("|"))
}

fn aggregation(text: &mut Text<'_>, metric: &'static Metric) -> Result<Aggregation, ThresholdError> {
    let (name, span) = text.word("an aggregation")?;
    let aggregation = match name {
        "min" => Aggregation::Min,
        "max" => Aggregation::Max,
        "avg" => Aggregation::Avg,
        "med" => Aggregation::Med,
        "ok_max" => Aggregation::OkMax,
        "ok_avg" => Aggregation::OkAvg,
        "ok_med" => Aggregation::OkMed,
        "rate" => Aggregation::Rate,
        "count" => Aggregation::Count,
        "p" | "ok_p" => {
            text.expect("(", "`(`")?;
            let (percent, span) = text.number()?;
            if !(0.0..=100.0).contains(&percent) {
                return Err(text.error(span, ThresholdProblem::PercentileOutOfRange));
            }
            text.expect(")", "`)`")?;
            if name == "p" {
                Aggregation::Percentile(percent)
            } else {
                Aggregation::OkPercentile(percent)
            }
        }
        _ => {
            let name = name.to_owned();
            return Err(text.error(span, ThresholdProblem::UnknownAggregation { metric, name }));
        }
    };
    if aggregation.kind() != metric.kind {
        let aggregation = aggregation.to_string();
        return Err(text.error(span, ThresholdProblem::WrongAggregation { metric, aggregation }));
    }
    Ok(aggregation)
}

/// A text and how far it is read.
struct Text<'a> {
    part: ThresholdPart,
    text: &'a str,
    /// Always at a character's boundary.
    at: usize,
}

impl<'a> Text<'a> {
    fn new(part: ThresholdPart, text: &'a str) -> Self {
        Self { part, text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take_while(&mut self, what: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !what(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn word(&mut self, expected: &'static str) -> Result<(&'a str, Range<usize>), ThresholdError> {
        self.skip_space();
        let from = self.at;
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        if word.is_empty() {
            return Err(self.expected(expected));
        }
        Ok((word, from..self.at))
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_space();
        let there = self.rest().starts_with(token);
        self.at += if there { token.len() } else { 0 };
        there
    }

    fn expect(&mut self, token: &str, expected: &'static str) -> Result<(), ThresholdError> {
        if self.eat(token) {
            Ok(())
        } else {
            Err(self.expected(expected))
        }
    }

    fn number(&mut self) -> Result<(f64, Range<usize>), ThresholdError> {
        self.skip_space();
        let from = self.at;
        if self.digits().is_empty() {
            return Err(self.expected("a number"));
        }
        if self.rest().starts_with('.') {
            self.at += 1;
            if self.digits().is_empty() {
                return Err(self.expected("a digit"));
            }
        }
        if self.rest().starts_with('e') {
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            if self.digits().is_empty() {
                return Err(self.expected("a digit"));
            }
        }
        let span = from..self.at;
        let number: f64 = self.text[span.clone()]
            .parse()
            .expect("digits, a point and an exponent are a float");
        if number.is_infinite() {
            return Err(self.error(span, ThresholdProblem::NumberTooLarge));
        }
        Ok((number, span))
    }

    fn digits(&mut self) -> &'a str {
        self.take_while(|c| c.is_ascii_digit())
    }

    fn end(&mut self) -> Result<(), ThresholdError> {
        self.skip_space();
        let rest = self.rest().trim_end();
        if rest.is_empty() {
            return Ok(());
        }
        let span = self.at..self.at + rest.len();
        Err(self.error(span, ThresholdProblem::Trailing(rest.to_owned())))
    }

    fn expected(&self, expected: &'static str) -> ThresholdError {
        let next = self.rest().chars().next();
        let found = next.map_or("the end".to_owned(), |c| format!("`{c}`"));
        let span = self.at..self.at + next.map_or(0, char::len_utf8);
        self.error(span, ThresholdProblem::Expected { expected, found })
    }

    fn error(&self, span: Range<usize>, problem: ThresholdProblem) -> ThresholdError {
        ThresholdError {
            part: self.part,
            column: self.text[..span.start].chars().count() + 1,
            span,
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{metrics::CATALOGUE, verdict::Threshold};

    use super::*;

    #[track_caller]
    fn check(selector: &str, expression: &str, expected: &str) {
        let shown = match Threshold::parse(selector, expression) {
            Ok(threshold) => threshold.to_string(),
            Err(error) => {
                let help = error.help().map_or(String::new(), |help| format!("; {help}"));
                format!("{error}{help}")
            }
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_read_is_shown_in_one_form() {
        check("connect_ms", "p(95)<2000", "connect_ms: p(95)<2000");
        check(
            "connect_ms",
            " p( 99.90 ) <= 2.50e3 ",
            "connect_ms: p(99.9)<=2500",
        );
        check(
            " connect_ms { pair : relay , glare : yes } ",
            "ok_med>0",
            "connect_ms{glare:yes,pair:relay}: ok_med>0",
        );
        check("connect_failed", "rate==0.01", "connect_failed: rate==0.01");
        check("messages_lost", "count!=1", "messages_lost: count!=1");
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_what_would_be_right() {
        check(
            "conect_ms",
            "p(95)<1",
            "unknown metric `conect_ms` (column 1 of the selector); did you mean `connect_ms`?",
        );
        check(
            "latency",
            "p(95)<1",
            "unknown metric `latency` (column 1 of the selector)",
        );
        check(
            "connect_ms{pear:relay}",
            "p(95)<1",
            "`connect_ms` has no tag `pear` (column 12 of the selector); did you mean `pair`?",
        );
        check(
            "connect_ms{cause:rejoin}",
            "p(95)<1",
            "`connect_ms` has no tag `cause` (column 12 of the selector); it has `glare`, `pair`, `degraded`",
        );
        check(
            "message_ms{pair:host}",
            "p(95)<1",
            "`message_ms` has no tag `pair` (column 12 of the selector); `message_ms` has no tags",
        );
        check(
            "connect_ms{glare:maybe}",
            "p(95)<1",
            "tag `glare` of `connect_ms` is never `maybe` (column 18 of the selector); it is `yes`, `no`",
        );
        check(
            "connect_ms{glare:no,glare:no}",
            "p(95)<1",
            "tag `glare` is given twice (column 21 of the selector)",
        );
        check(
            "connect_ms{glare:no",
            "p(95)<1",
            "expected `,` or `}`, found the end (column 20 of the selector)",
        );
        check(
            "connect_ms",
            "rate<0.01",
            "`connect_ms` is a trend and has no `rate` (column 1 of the expression); `connect_ms` has `p(95)`, `min`, \
             `max`, `avg`, `med`, `ok_p(95)`, `ok_max`, `ok_avg`, `ok_med`",
        );
        check(
            "connect_failed",
            "p(95)<1",
            "`connect_failed` is a rate and has no `p(95)` (column 1 of the expression); `connect_failed` has `rate`",
        );
        check(
            "connect_ms",
            "mean<5",
            "unknown aggregation `mean` (column 1 of the expression); `connect_ms` has `p(95)`, `min`, `max`, \
             `avg`, `med`, `ok_p(95)`, `ok_max`, `ok_avg`, `ok_med`",
        );
        check(
            "connect_ms",
            "p95<5",
            "unknown aggregation `p95` (column 1 of the expression); did you mean `p(95)`?",
        );
        check(
            "connect_ms",
            "p(101)<5",
            "a percentile lies from 0 to 100 (column 3 of the expression)",
        );
        check(
            "connect_ms",
            "p(95)=5",
            "expected `<`, `<=`, `>`, `>=`, `==` or `!=`, found `=` (column 6 of the expression)",
        );
        check(
            "connect_ms",
            "p(95)<-5",
            "expected a number, found `-` (column 7 of the expression)",
        );
        check(
            "connect_ms",
            "p(95)<1.",
            "expected a digit, found the end (column 9 of the expression)",
        );
        check(
            "connect_ms",
            "p(95)<1e999",
            "the number is too large (column 7 of the expression)",
        );
        check(
            "connect_ms",
            "p(95) < 5 ms",
            "`ms` follows the end of the threshold (column 11 of the expression); durations are in ms already; \
             leave the unit out",
        );
        check(
            "connect_failed",
            "rate<1%",
            "`%` follows the end of the threshold (column 7 of the expression); rates are shares from 0 to 1: \
             1% is 0.01",
        );
    }

    #[test]
    fn columns_count_characters_and_spans_count_bytes() {
        let error = Threshold::parse("\u{3000}\u{3000}ü", "max<1").expect_err("no name");
        assert_eq!((error.column, error.span), (3, 6..8));
    }

    fn thresholds() -> impl Strategy<Value = (String, String)> {
        let number = || {
            prop_oneof![
                (0_u32..5_000).prop_map(f64::from),
                0.0_f64..1e6,
                prop::num::f64::POSITIVE
            ]
        };
        let comparison = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
        let of_trend = prop::sample::select(vec![
            "min", "max", "avg", "med", "ok_max", "ok_avg", "ok_med", "p", "ok_p",
        ]);
        let metric = prop::sample::select(CATALOGUE.iter().collect::<Vec<_>>());
        (
            metric,
            any::<u64>(),
            of_trend,
            0.0_f64..=100.0,
            comparison,
            number(),
        )
            .prop_map(|(metric, pick, of_trend, percent, comparison, limit)| {
                let mut pick = pick as usize;
                let mut tags = Vec::new();
                for tag in metric.tags {
                    if !pick.is_multiple_of(3) {
                        tags.push(format!("{}:{}", tag.name, tag.values[pick % tag.values.len()]));
                    }
                    pick /= 31;
                }
                let selector = match tags.is_empty() {
                    true => metric.name.to_owned(),
                    false => format!("{}{{{}}}", metric.name, tags.join(",")),
                };
                let aggregation = match (metric.kind, of_trend) {
                    (Kind::Rate, _) => "rate".to_owned(),
                    (Kind::Counter, _) => "count".to_owned(),
                    (Kind::Trend, "p" | "ok_p") => format!("{of_trend}({percent})"),
                    (Kind::Trend, _) => of_trend.to_owned(),
                };
                (selector, format!("{aggregation}{comparison}{limit}"))
            })
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same((selector, expression) in thresholds()) {
            let threshold = Threshold::parse(&selector, &expression);
            prop_assert!(threshold.is_ok(), "{} {}: {:?}", selector, expression, threshold);
            let threshold = threshold.expect("asserted");
            prop_assert_eq!(&threshold.expression(), &expression);
            let again = Threshold::parse(&threshold.selector().to_string(), &threshold.expression());
            prop_assert_eq!(again.as_ref(), Ok(&threshold));
        }

        #[test]
        fn any_text_is_read_or_refused_with_a_place_inside_it(
            selector in "\\PC*|[a-z_]{0,12}(\\{[a-z:,ü ]*\\}?)?",
            expression in "\\PC*|(ok_)?p?[(]?[0-9e.+]*[)]?[<>=!]{0,3}[0-9e.+-]* ?[a-zß%]{0,3}",
        ) {
            for (selector, expression) in [(selector.as_str(), "max<1"), ("connect_ms", expression.as_str())] {
                if let Err(error) = Threshold::parse(selector, expression) {
                    let text = match error.part {
                        ThresholdPart::Selector => selector,
                        ThresholdPart::Expression => expression,
                    };
                    prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error);
                    let _ = (error.to_string(), error.help());
                }
            }
        }
    }
}
