//! `application/trickle-ice-sdpfrag` (RFC 8840, section 9): candidates, and the ICE credentials that they belong to.

use std::collections::BTreeMap;

use crate::signaling::{Candidate, sdp::attribute};

const UFRAG: &str = "ice-ufrag";
const PWD: &str = "ice-pwd";
/// How a line with a candidate begins.
const CANDIDATE: &str = "a=candidate:";
/// There will be no more of them.
const END: &str = "a=end-of-candidates";

/// The fragment that tells of candidates of `offer`; `whole`: also of those in the offer itself, whose credentials are
/// new to the server.
pub(super) fn write(offer: &str, candidates: &[Candidate], whole: bool) -> String {
    let sections = sections(offer);
    let mut told: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    if whole {
        for (at, section) in sections.iter().enumerate() {
            let own = section
                .lines()
                .map(str::trim_end)
                .filter(|line| is_candidate(line));
            let own: Vec<String> = own.map(str::to_owned).collect();
            // All m-sections of a bundle are one transport, and the first one's (RFC 9143, 7.2).
            if at == 0 || !own.is_empty() {
                told.entry(at).or_default().extend(own);
            }
        }
    }
    for candidate in candidates {
        let lines = told.entry(section_of(&sections, candidate)).or_default();
        let line = match candidate.candidate.lines().next() {
            None | Some("") => END.to_owned(),
            Some(text) => format!("a={text}"),
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let mut text = String::new();
    if let Some(group) = attribute(offer, "group") {
        text += &format!("a=group:{group}\r\n");
    }
    for (at, lines) in told {
        let section = sections.get(at).copied().unwrap_or_default();
        if let Some(m_line) = section.lines().next() {
            text += &format!("{}\r\n", m_line.trim_end());
        }
        if let Some(mid) = attribute(section, "mid") {
            text += &format!("a=mid:{mid}\r\n");
        }
        for name in [UFRAG, PWD] {
            // Below a description's m-lines, or above all of them.
            let value = attribute(section, name).or_else(|| attribute(offer, name));
            if let Some(value) = value {
                text += &format!("a={name}:{value}\r\n");
            }
        }
        let (ends, candidates): (Vec<String>, Vec<String>) = lines.into_iter().partition(|line| line == END);
        for line in candidates.iter().chain(ends.first()) {
            text += line;
            text += "\r\n";
        }
    }
    text
}

/// The `a=ice-ufrag` of a fragment or a description.
pub(super) fn ufrag(of: &str) -> Option<&str> {
    attribute(of, UFRAG)
}

/// The answer of a server that has restarted ICE: its last one, with the credentials and candidates of the fragment. If that
/// has no candidates, the former ones hold. `None`: the fragment has no credentials.
pub(super) fn restarted(answer: &str, fragment: &str) -> Option<String> {
    let (ufrag, pwd) = (attribute(fragment, UFRAG)?, attribute(fragment, PWD)?);
    let candidates = candidates_by_section(answer, fragment);
    let mut text = String::new();
    let mut section = None;
    for line in answer.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            push_all(&mut text, section, &candidates);
            section = Some(section.map_or(0, |at: usize| at + 1));
        }
        let is_former = line.starts_with(CANDIDATE) || line == END;
        if is_former && !candidates.is_empty() {
            continue;
        }
        if line.starts_with("a=ice-ufrag:") {
            text += &format!("a={UFRAG}:{ufrag}");
        } else if line.starts_with("a=ice-pwd:") {
            text += &format!("a={PWD}:{pwd}");
        } else {
            text += &one_later(line);
        }
        text += "\r\n";
    }
    push_all(&mut text, section, &candidates);
    Some(text)
}

/// The lines of candidates by the m-section of the answer that they are for; those of none are the first one's.
fn candidates_by_section<'f>(answer: &str, fragment: &'f str) -> BTreeMap<usize, Vec<&'f str>> {
    let sections = sections(answer);
    let mut candidates: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    let mut at = 0;
    for line in fragment.lines().map(str::trim_end) {
        if let Some(mid) = line.strip_prefix("a=mid:") {
            let known = sections
                .iter()
                .position(|section| attribute(section, "mid") == Some(mid));
            at = known.unwrap_or(0);
        } else if line.starts_with(CANDIDATE) || line == END {
            candidates.entry(at).or_default().push(line);
        }
    }
    // An end without candidates is no set of new ones.
    if candidates.values().flatten().all(|line| *line == END) {
        candidates.clear();
    }
    candidates
}

fn push_all(text: &mut String, section: Option<usize>, candidates: &BTreeMap<usize, Vec<&str>>) {
    for line in section.and_then(|at| candidates.get(&at)).into_iter().flatten() {
        *text += line;
        *text += "\r\n";
    }
}

/// An origin with the next session version (RFC 9429, 5.2.2); any other line as it is.
fn one_later(line: &str) -> String {
    let mut fields = line.splitn(4, ' ');
    let origin = (fields.next(), fields.next(), fields.next(), fields.next());
    if let (Some(user), Some(id), Some(version), Some(rest)) = origin
        && user.starts_with("o=")
        && let Ok(version) = version.parse::<u64>()
    {
        return format!("{user} {id} {} {rest}", version.saturating_add(1));
    }
    line.to_owned()
}

fn is_candidate(line: &str) -> bool {
    line.starts_with(CANDIDATE) || line == END
}

/// The m-sections of a description, each with its `m=`.
fn sections(sdp: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = sdp.match_indices("\nm=").map(|(at, _)| at + 1).collect();
    if sdp.starts_with("m=") {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).copied().chain([sdp.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &sdp[*start..end])
        .collect()
}

/// Which m-section a candidate is of: by its `mid`, else by the index.
fn section_of(sections: &[&str], candidate: &Candidate) -> usize {
    let mid = candidate.sdp_mid.as_deref();
    let by_mid = mid.and_then(|mid| {
        let is_it = |section: &&str| attribute(section, "mid") == Some(mid);
        sections.iter().position(is_it)
    });
    let index = candidate.sdp_m_line_index.map(usize::from);
    by_mid
        .or_else(|| index.filter(|index| *index < sections.len()))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 7 1 IN IP4 0.0.0.0\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uY\r\na=candidate:1 1 udp 5 10.0.0.1 9 typ host\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uY\r\n";

    fn candidate(text: &str, mid: Option<&str>, index: Option<u16>) -> Candidate {
        Candidate {
            candidate: text.to_owned(),
            sdp_mid: mid.map(str::to_owned),
            sdp_m_line_index: index,
            username_fragment: None,
        }
    }

    #[test]
    fn candidates_stand_below_their_m_lines_with_the_credentials() {
        let candidates = [
            candidate("candidate:2 1 udp 4 10.0.0.2 9 typ host", Some("0"), Some(0)),
            candidate("candidate:3 1 udp 4 10.0.0.3 9 typ host", None, Some(1)),
            candidate("", Some("nobody's"), Some(9)),
        ];
        let expected = "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uY\r\na=candidate:2 1 udp 4 10.0.0.2 9 typ host\r\na=end-of-candidates\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uY\r\na=candidate:3 1 udp 4 10.0.0.3 9 typ host\r\n";
        assert_eq!(write(OFFER, &candidates, false), expected);
        let complete = OFFER.replace("m=video", "a=end-of-candidates\r\nm=video");
        let last = write(&complete, &candidates[..1], true);
        assert!(
            last.ends_with("10.0.0.2 9 typ host\r\na=end-of-candidates\r\n"),
            "{last}"
        );
        let whole = write(OFFER, &candidates[..1], true);
        assert!(
            whole.contains("10.0.0.1") && whole.contains("10.0.0.2"),
            "{whole}"
        );
        assert!(!whole.contains("m=video"), "it is bundled: {whole}");
        assert!(write("", &[candidate("", None, None)], true).contains(END));
    }

    #[test]
    fn a_restarted_answer_has_new_credentials_and_candidates() {
        let fragment = "a=ice-ufrag:new\r\na=ice-pwd:secret\r\nm=video 9 X 0\r\na=mid:1\r\na=candidate:9 1 udp 5 10.0.0.9 9 typ host\r\na=end-of-candidates\r\n";
        let answer = restarted(OFFER, fragment).expect("it has credentials");
        assert_eq!(answer.matches("a=ice-ufrag:new\r\n").count(), 2);
        assert!(!answer.contains("EsAw") && !answer.contains("P2uY") && !answer.contains("10.0.0.1"));
        assert!(answer.ends_with("a=candidate:9 1 udp 5 10.0.0.9 9 typ host\r\na=end-of-candidates\r\n"));
        assert!(answer.contains("o=- 7 2 IN IP4 0.0.0.0"), "{answer}");
        let bare = restarted(OFFER, "a=ice-ufrag:new\na=ice-pwd:secret\n").expect("bare lines");
        assert!(bare.contains("10.0.0.1"), "the former ones hold: {bare}");
        assert_eq!(restarted(OFFER, "a=ice-ufrag:new\r\n"), None);
    }
}
