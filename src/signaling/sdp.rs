//! The two SDP attributes that negotiation rules look at.

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
    fn the_first_attribute_of_that_very_name_is_found() {
        let sdp = "v=0\r\na=ice-ufragment:no\r\na=ice-ufrag:abcd\r\na=ice-ufrag:efgh\r\n";
        assert_eq!(attribute(sdp, "ice-ufrag"), Some("abcd"));
        assert_eq!(attribute(sdp, "fingerprint"), None);
    }
}
