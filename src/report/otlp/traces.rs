use std::time::Duration;

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode},
};
use prost::Message as _;

use super::attributes::{figure, number, resource, scope, text};
use crate::{
    base::{Fnv1a, Instant, RoomId},
    metrics::{JoinStory, LinkStory},
};

/// More links of one join are not told; what is missing comes first.
pub const MAX_LINKS: usize = 64;

/// A failed join, and the run that it is of.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    /// rtcstorm's version.
    pub version: String,
    /// The scenario's name.
    pub scenario: String,
    /// `local`, `live` or `sim`.
    pub world: String,
    /// The root seed.
    pub seed: u64,
    /// When the run began, since the Unix epoch.
    pub started: Duration,
    /// The room, if the plan has the peer.
    pub room: Option<RoomId>,
    /// What happened.
    pub story: JoinStory,
}

/// One trace for each of `failed`, as the body of a request to `/v1/traces`: the join, the word of the server, and each
/// link with its phases. What never came is a span with an error that lasts until the join had failed.
pub fn traces(failed: &[Traced]) -> Vec<u8> {
    let resource_spans = failed.iter().map(|traced| ResourceSpans {
        resource: resource(&traced.version),
        scope_spans: vec![ScopeSpans {
            scope: scope(&traced.version),
            spans: Trace::new(traced).spans(),
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    });
    ExportTraceServiceRequest {
        resource_spans: resource_spans.collect(),
    }
    .encode_to_vec()
}

struct Trace<'a> {
    of: &'a Traced,
    id: Vec<u8>,
    spans: Vec<Span>,
}

impl<'a> Trace<'a> {
    fn new(of: &'a Traced) -> Self {
        let join = &of.story.join;
        let what = format!(
            "{} {} {} {} {} {}",
            of.scenario,
            of.world,
            of.seed,
            of.started.as_nanos(),
            join.peer,
            join.incarnation
        );
        let half = |salt: &str| hash(&[salt, &what]).to_be_bytes();
        Self {
            of,
            id: [half("trace"), half("join")].concat(),
            spans: Vec::new(),
        }
    }

    fn spans(mut self) -> Vec<Span> {
        let story = &self.of.story;
        let join = &story.join;
        let from = join.planned.min(story.began);
        let until = story.ended.max(from);
        let mut attributes = vec![
            text("rtcstorm.scenario", &self.of.scenario),
            text("rtcstorm.world", &self.of.world),
            text("rtcstorm.seed", self.of.seed.to_string()),
            text("rtcstorm.peer", join.peer.to_string()),
            number("rtcstorm.incarnation", join.incarnation.0),
            figure("rtcstorm.planned_ms", join.planned.as_millis_f64()),
            figure("rtcstorm.began_ms", story.began.as_millis_f64()),
        ];
        attributes.extend(self.of.room.map(|room| text("rtcstorm.room", room.to_string())));
        let root = self.span(None, "join", (from, until), Some(&story.why), attributes);

        let refused = join.confirmed.is_none().then_some(story.why.as_str());
        let confirmed = join.confirmed.unwrap_or(until);
        self.span(Some(&root), "signaling", (from, confirmed), refused, Vec::new());

        let mut links: Vec<&LinkStory> = story.links.iter().collect();
        links.sort_by_key(|link| (!link.missing, link.remote));
        if let Some(more) = links.len().checked_sub(MAX_LINKS).filter(|more| *more > 0) {
            self.spans[0].attributes.push(number("rtcstorm.more_links", more));
        }
        for link in links.into_iter().take(MAX_LINKS) {
            self.link(&root, link, until);
        }
        self.spans
    }

    fn link(&mut self, root: &[u8], link: &LinkStory, until: Instant) {
        let phases = [
            ("offer/answer", link.answered),
            ("ICE", link.ice),
            ("DTLS", link.dtls),
            ("channel", link.open),
        ];
        // What is reported after something later, like a state after the channel's own callback, was over by then.
        let end = link.open.unwrap_or(until).max(link.began);
        let reached = |index: usize| {
            let later = phases[index + 1..].iter().find_map(|(_, at)| *at);
            phases[index].1.or(later).map(|at| at.min(end))
        };
        let stuck = (0..phases.len()).find(|index| reached(*index).is_none());
        let why = match (link.generation, stuck) {
            (None, _) => Some("no connection was made".to_owned()),
            (Some(_), Some(index)) => Some(format!("{} did not come to its end", phases[index].0)),
            (Some(_), None) => link.missing.then(|| "the channel was closed again".to_owned()),
        };
        let mut attributes = vec![
            text("rtcstorm.remote", link.remote.to_string()),
            number("rtcstorm.attempts", link.attempts),
        ];
        attributes.extend(
            link.generation
                .map(|generation| number("rtcstorm.generation", generation.0)),
        );
        let name = format!("link to {}", link.remote);
        let own = self.span(Some(root), &name, (link.began, end), why.as_deref(), attributes);
        if link.generation.is_none() {
            return;
        }
        let mut from = link.began;
        for (index, (name, _)) in phases.into_iter().enumerate() {
            let Some(at) = reached(index) else {
                self.span(Some(&own), name, (from, end), why.as_deref(), Vec::new());
                return;
            };
            let at = at.max(from);
            self.span(Some(&own), name, (from, at), None, Vec::new());
            from = at;
        }
    }

    /// Adds a span, and returns its id. `failed`: why, if it has.
    fn span(
        &mut self,
        parent: Option<&[u8]>,
        name: &str,
        (from, until): (Instant, Instant),
        failed: Option<&str>,
        attributes: Vec<opentelemetry_proto::tonic::common::v1::KeyValue>,
    ) -> Vec<u8> {
        let number = self.spans.len().to_string();
        let trace: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = hash(&["span", &trace, &number]).to_be_bytes().to_vec();
        let nanos = |at: Instant| {
            let since = self.of.started + at.elapsed();
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        };
        self.spans.push(Span {
            trace_id: self.id.clone(),
            span_id: id.clone(),
            parent_span_id: parent.map(<[u8]>::to_vec).unwrap_or_default(),
            name: name.to_owned(),
            kind: match parent {
                None => SpanKind::Client,
                Some(_) => SpanKind::Internal,
            } as i32,
            start_time_unix_nano: nanos(from),
            end_time_unix_nano: nanos(until.max(from)),
            attributes,
            status: Some(match failed {
                Some(why) => Status {
                    code: StatusCode::Error as i32,
                    message: why.to_owned(),
                },
                None => Status::default(),
            }),
            ..Span::default()
        });
        id
    }
}

/// Never zero, which OTLP takes for none.
fn hash(parts: &[&str]) -> u64 {
    let mut hash = Fnv1a::default();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    hash.value().max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        base::{Generation, Incarnation, PeerId},
        metrics::FailedJoin,
    };

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn traced() -> Traced {
        let link = |remote: u32, generation: Option<u32>| LinkStory {
            remote: PeerId(remote),
            generation: generation.map(Generation),
            attempts: generation.unwrap_or(0),
            began: ms(120),
            answered: None,
            ice: None,
            dtls: None,
            open: None,
            missing: true,
        };
        let open = LinkStory {
            answered: Some(ms(130)),
            ice: Some(ms(140)),
            dtls: Some(ms(155)),
            open: Some(ms(150)),
            missing: false,
            ..link(0, Some(1))
        };
        let stuck = LinkStory {
            answered: Some(ms(135)),
            ..link(1, Some(2))
        };
        Traced {
            version: "1".to_owned(),
            scenario: "quick".to_owned(),
            world: "local".to_owned(),
            seed: 7,
            started: Duration::from_secs(1_000),
            room: Some(RoomId(0)),
            story: JoinStory {
                join: FailedJoin {
                    peer: PeerId(3),
                    incarnation: Incarnation(1),
                    planned: ms(100),
                    confirmed: Some(ms(110)),
                    missing: vec![PeerId(1), PeerId(2)],
                },
                began: ms(101),
                ended: ms(30_100),
                why: "no open channel to peer-1, peer-2".to_owned(),
                links: vec![open, stuck, link(2, None)],
            },
        }
    }

    #[test]
    fn a_failed_join_is_one_trace_whose_spans_tell_what_never_came() {
        let sent = ExportTraceServiceRequest::decode(traces(&[traced()]).as_slice()).expect("its own bytes");
        let spans = &sent.resource_spans[0].scope_spans[0].spans;
        let told: Vec<String> = spans
            .iter()
            .map(|span| {
                let ms = |nanos: u64| nanos / 1_000_000 - 1_000_000;
                let status = span.status.as_ref().expect("each has one");
                let parent = spans.iter().find(|one| one.span_id == span.parent_span_id);
                let depth = usize::from(parent.is_some())
                    + usize::from(parent.is_some_and(|parent| !parent.parent_span_id.is_empty()));
                format!(
                    "{}{} {}..{} {}",
                    "  ".repeat(depth),
                    span.name,
                    ms(span.start_time_unix_nano),
                    ms(span.end_time_unix_nano),
                    status.message
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "join 100..30100 no open channel to peer-1, peer-2",
                "  signaling 100..110 ",
                "  link to peer-1 120..30100 ICE did not come to its end",
                "    offer/answer 120..135 ",
                "    ICE 135..30100 ICE did not come to its end",
                "  link to peer-2 120..30100 no connection was made",
                "  link to peer-0 120..150 ",
                "    offer/answer 120..130 ",
                "    ICE 130..140 ",
                "    DTLS 140..150 ",
                "    channel 150..150 ",
            ]
        );
        let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
        assert_eq!(ids.len(), spans.len());
        assert!(
            spans
                .iter()
                .all(|span| span.trace_id == spans[0].trace_id && span.trace_id.len() == 16)
        );
    }

    #[test]
    fn another_membership_is_another_trace() {
        let mut other = traced();
        other.story.join.incarnation = Incarnation(2);
        assert_ne!(Trace::new(&traced()).id, Trace::new(&other).id);
    }
}
