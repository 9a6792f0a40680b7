use maud::{Markup, html};

use super::axis::num;
use crate::{
    base::Instant,
    report::sequence::{Actor, Sequence, Step, Way},
};

/// The column of times, and the room for each actor, in CSS pixels.
const TIMES: f64 = 80.0;
const LANE: f64 = 226.0;
const HEAD: f64 = 44.0;
const ARROW: f64 = 30.0;
const LINE: f64 = 15.0;
/// Characters of a line in a note, of a text on an arrow, and lines of a note.
const NOTE_CHARS: usize = 32;
const ARROW_CHARS: usize = 34;
const NOTE_LINES: usize = 4;
/// Steps that are drawn at the beginning and at the end.
const FIRST: usize = 30;
const LAST: usize = 50;
/// Actors that are drawn.
const MAX_ACTORS: usize = 8;

/// What a row shows.
enum Row<'a> {
    Step(&'a Step),
    LeftOut(usize),
    Point(Instant, &'a str, Actor),
}

/// A sequence diagram: the actors side by side, time downwards. Of a long one the beginning and the end are drawn.
pub(in crate::report) fn sequence(sequence: &Sequence, title: &str) -> Markup {
    let actors = &sequence.actors[..sequence.actors.len().min(MAX_ACTORS)];
    let middle = |actor: Actor| {
        let place = actors.iter().position(|known| *known == actor);
        place.map(|place| TIMES + (place as f64 + 0.5) * LANE)
    };
    let mut rows: Vec<Row> = Vec::new();
    let steps = &sequence.steps;
    if steps.len() > FIRST + LAST {
        rows.extend(steps[..FIRST].iter().map(Row::Step));
        rows.push(Row::LeftOut(steps.len() - FIRST - LAST));
        rows.extend(steps[steps.len() - LAST..].iter().map(Row::Step));
    } else {
        rows.extend(steps.iter().map(Row::Step));
    }
    if let Some((at, what)) = &sequence.point {
        rows.push(Row::Point(*at, what, Actor::Peer(sequence.whose)));
    }
    let width = TIMES + actors.len() as f64 * LANE;
    let mut y = HEAD + 14.0;
    let mut drawn: Vec<Markup> = Vec::new();
    for row in &rows {
        let (markup, tall) = match row {
            Row::Step(step) => match step.way {
                Way::Between(from, to) => match (middle(from), middle(to)) {
                    (Some(from), Some(to)) => (arrow(from, to, y, step), ARROW),
                    _ => continue,
                },
                Way::At(actor) => match middle(actor) {
                    Some(x) => note("note", x, y, step.at, &step.text),
                    None => continue,
                },
            },
            Row::LeftOut(count) => (
                html! { text class="seq-gap" x=(num(width / 2.0)) y=(num(y + 16.0)) text-anchor="middle" { "… " (count) " steps are left out …" } },
                ARROW,
            ),
            Row::Point(at, what, actor) => {
                let x = middle(*actor).unwrap_or(width / 2.0);
                note("note here", x, y + 4.0, *at, &format!("✗ HERE: {what}"))
            }
        };
        drawn.push(markup);
        y += tall;
    }
    let height = y + 10.0;
    html! {
        div.scroll.sequence tabindex="0" role="region" aria-label=(title) {
            svg role="img" width=(num(width)) height=(num(height)) viewBox={ "0 0 " (num(width)) " " (num(height)) } aria-label=(title) {
                title { (title) ": " (actors.len()) " lines of life, " (steps.len()) " steps; the text below tells the same." }
                @for actor in actors {
                    @let x = middle(*actor).unwrap_or(0.0);
                    line class="life" x1=(num(x)) x2=(num(x)) y1=(num(HEAD - 8.0)) y2=(num(height)) {}
                    rect class="actor" x=(num(x - 56.0)) y="6" width="112" height="28" rx="6" {}
                    text class="actor-name" x=(num(x)) y="24" text-anchor="middle" { (actor) }
                }
                @for markup in drawn { (markup) }
            }
        }
        @if sequence.actors.len() > MAX_ACTORS {
            p.more { (sequence.actors.len() - MAX_ACTORS) " more peers are not drawn" }
        }
    }
}

fn time(at: Instant, y: f64) -> Markup {
    html! { text class="seq-time" x=(num(TIMES - 12.0)) y=(num(y)) text-anchor="end" { (format!("{:.1} ms", at.as_millis_f64())) } }
}

fn arrow(from: f64, to: f64, y: f64, step: &Step) -> Markup {
    let line = y + 20.0;
    let back = if to > from { -7.0 } else { 7.0 };
    // An arrow over several lanes has its text in the one that it comes from.
    let lane = if to > from {
        from + LANE / 2.0
    } else {
        from - LANE / 2.0
    };
    html! {
        (time(step.at, line + 4.0))
        path class="seq-arrow" d={ "M" (num(from)) " " (num(line)) "H" (num(to + back / 2.0)) } {}
        path class="seq-head" d={ "M" (num(to)) " " (num(line)) "l" (num(back)) " -4v8z" } {}
        text class="seq-text" x=(num(lane)) y=(num(line - 5.0)) text-anchor="middle" {
            (cut(&step.text, ARROW_CHARS))
            @if step.text.chars().count() > ARROW_CHARS { title { (step.text) } }
        }
    }
}

/// The note, and how much room it takes.
fn note(class: &str, x: f64, y: f64, at: Instant, text: &str) -> (Markup, f64) {
    let lines = lines(text);
    let tall = lines.len() as f64 * LINE + 8.0;
    let wide = LANE - 14.0;
    let markup = html! {
        (time(at, y + 17.0))
        rect class=(class) x=(num(x - wide / 2.0)) y=(num(y + 2.0)) width=(num(wide)) height=(num(tall)) rx="4" {}
        @for (nth, line) in lines.iter().enumerate() {
            text class="seq-text" x=(num(x)) y=(num(y + 16.5 + nth as f64 * LINE)) text-anchor="middle" { (line) }
        }
    };
    (markup, tall + 8.0)
}

/// Cut between words to lines of a note; a word that is longer is cut inside.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let last = lines.last_mut().expect("never empty");
            let used = last.chars().count();
            let gap = usize::from(used > 0);
            if used + gap + word.len() <= NOTE_CHARS {
                if gap > 0 {
                    last.push(' ');
                }
                last.extend(&word);
                break;
            }
            if used == 0 {
                let rest = word.split_off(NOTE_CHARS);
                last.extend(&word);
                word = rest;
            }
            lines.push(String::new());
        }
    }
    if lines.len() > NOTE_LINES {
        lines.truncate(NOTE_LINES);
        let last = lines.last_mut().expect("never empty");
        *last = cut(&format!("{last} …"), NOTE_CHARS);
    }
    lines
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars - 1) {
        Some((at, _)) if text.chars().count() > chars => format!("{}…", &text[..at]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PeerId;

    fn of(steps: usize) -> Sequence {
        let (one, two) = (Actor::Peer(PeerId(0)), Actor::Peer(PeerId(1)));
        let step = |nth: usize| Step {
            at: Instant::from_millis(nth as u64),
            way: if nth.is_multiple_of(2) {
                Way::Between(one, Actor::Server)
            } else {
                Way::At(two)
            },
            text: format!("step <{nth}>"),
        };
        Sequence {
            actors: vec![one, Actor::Server, two],
            steps: (0..steps).map(step).collect(),
            whose: PeerId(1),
            point: Some((Instant::from_millis(900), "nobody answers".to_owned())),
        }
    }

    #[test]
    fn every_step_is_drawn_escaped_and_the_point_is_last() {
        let drawn = sequence(&of(3), "a & b").into_string();
        assert_eq!(drawn.matches("seq-head").count(), 2);
        assert!(drawn.contains("step &lt;1&gt;") && drawn.contains("a &amp; b"));
        assert!(drawn.contains("✗ HERE: nobody answers") && drawn.contains("900.0 ms"));
    }

    #[test]
    fn a_long_one_keeps_its_beginning_and_its_end() {
        let drawn = sequence(&of(500), "t").into_string();
        assert!(drawn.contains("… 420 steps are left out …"));
        assert!(drawn.contains("step &lt;0&gt;") && drawn.contains("step &lt;499&gt;"));
        assert!(!drawn.contains("step &lt;200&gt;"));
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("ééééé", 3), "éé…");
        assert_eq!(cut("ééé", 3), "ééé");
        let long = "x".repeat(200);
        assert_eq!(lines(&long).len(), NOTE_LINES);
        assert!(lines(&long).iter().all(|line| line.chars().count() <= NOTE_CHARS));
        assert_eq!(lines(""), [""]);
    }
}
