//! What of an SDP we look at or change: two attributes for the rules of negotiation, and the origin.

use std::collections::VecDeque;

/// Digits of the largest session id, 2^63 - 1 (RFC 9429, 5.2.1).
const SESSION_ID_DIGITS: usize = 19;
/// Digits of a session version: more descriptions no connection makes.
const SESSION_VERSION_DIGITS: usize = 10;
/// Sessions of a remote whose versions are remembered.
const MAX_SESSIONS: usize = 16;
/// How much lower a version may be than one that has come. Where more is missing, the versions are no count.
const MAX_VERSIONS_BACK: u64 = 1_000;

/// The description with an origin (`o=`) of that session version, and whose numbers are padded with zeros: the
/// session's id is a matter of chance, and so would be the length of the whole. A numeric string may begin with
/// zeros (RFC 8866, 5.2).
pub fn with_origin(sdp: &str, session_version: u64) -> String {
    let lines = sdp.split_inclusive('\n').map(|line| {
        let mut fields = line.splitn(4, ' ');
        match (fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(user), Some(id), Some(_), Some(rest)) if user.starts_with("o=") => {
                format!("{user} {id:0>SESSION_ID_DIGITS$} {session_version:0>SESSION_VERSION_DIGITS$} {rest}")
            }
            _ => line.to_owned(),
        }
    });
    lines.collect()
}

/// The session that a description belongs to, and its version (RFC 8866, 5.2).
fn origin(sdp: &str) -> Option<(&str, u64)> {
    let mut fields = sdp.lines().find(|line| line.starts_with("o="))?.split(' ');
    let (_user, id, version) = (fields.next()?, fields.next()?, fields.next()?);
    Some((id, version.parse().ok()?))
}

/// The newest versions of the sessions that a remote has told of. A version goes up with each description that its
/// maker makes (RFC 9429, 5.2.2), also where the one before was rolled back.
#[derive(Debug, Default)]
pub struct SessionVersions(VecDeque<(String, u64)>);

impl SessionVersions {
    /// A description has come.
    pub fn note(&mut self, sdp: &str) {
        let Some((id, version)) = origin(sdp) else {
            return;
        };
        if let Some((_, newest)) = self.0.iter_mut().find(|(session, _)| session == id) {
            *newest = version.max(*newest);
            return;
        }
        if self.0.len() == MAX_SESSIONS {
            self.0.pop_front();
        }
        self.0.push_back((id.to_owned(), version));
    }

    /// Whether its maker has made another one after this description, and that has come.
    pub fn has_newer_than(&self, sdp: &str) -> bool {
        let Some((id, version)) = origin(sdp) else {
            return false;
        };
        let newest = self.0.iter().find(|(session, _)| session == id);
        newest.is_some_and(|(_, newest)| (1..=MAX_VERSIONS_BACK).contains(&newest.saturating_sub(version)))
    }
}

/// The value of the first `a=<name>:<value>` line.
pub(super) fn attribute<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| {
        let value = line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':')?;
        Some(value.trim_end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_length_and_nothing_else_changes() {
        let with = |origin: &str| format!("v=0\r\no=- {origin} IN IP4 0.0.0.0\r\ns=- 7 8 9\r\n");
        assert_eq!(
            with_origin(&with("77 519"), 3),
            with("0000000000000000077 0000000003")
        );
        let full = with("9223372036854775807 1999999999");
        assert_eq!(with_origin(&full, 1_999_999_999), full);
        assert_eq!(with_origin("v=0\r\no=-", 1), "v=0\r\no=-");
    }

    #[test]
    fn a_description_is_older_than_a_later_one_of_its_session() {
        let of = |id: u32, version: u64| format!("v=0\r\no=- {id} {version} IN IP4 0.0.0.0\r\n");
        let mut versions = SessionVersions::default();
        assert!(!versions.has_newer_than(&of(7, 1)), "nothing has come");
        for version in [2, 4, 3] {
            versions.note(&of(7, version));
        }
        let newer = |versions: &SessionVersions, id, version| versions.has_newer_than(&of(id, version));
        assert!(newer(&versions, 7, 1) && newer(&versions, 7, 3));
        assert!(
            !newer(&versions, 7, 4) && !newer(&versions, 7, 5),
            "the newest, and a newer one"
        );
        assert!(!newer(&versions, 8, 1), "another session");
        versions.note(&of(8, 900_000_000));
        assert!(!newer(&versions, 8, 500_000_000), "that stack draws its versions");
        assert!(newer(&versions, 7, 3), "the other is still known");
        for id in 100..100 + MAX_SESSIONS as u32 {
            versions.note(&of(id, 2));
        }
        assert!(!newer(&versions, 7, 3), "only so many are remembered");
        versions.note("v=0\r\n");
        assert!(!versions.has_newer_than("o=- 1 x IN IP4 0.0.0.0\r\n"));
    }

    #[test]
    fn the_first_attribute_of_that_very_name_is_found() {
        let sdp = "v=0\r\na=ice-ufragment:no\r\na=ice-ufrag:abcd\r\na=ice-ufrag:efgh\r\n";
        assert_eq!(attribute(sdp, "ice-ufrag"), Some("abcd"));
        assert_eq!(attribute(sdp, "fingerprint"), None);
    }
}
