//! JSON pointers (RFC 6901).

use std::fmt;

use serde_json::Value;

/// What stands between two places where a value may be.
const OR: &str = " or ";

/// A place in a value of JSON: `/data/userId`. The empty one is the whole value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Pointer(String);

/// Why a text is no pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It is not empty and does not begin with `/`.
    #[error("a JSON pointer begins with `/`")]
    NoSlash,
    /// `~` before something else than 0 and 1.
    #[error("`~` is written `~0` in a JSON pointer, and `/` in a name `~1` (RFC 6901)")]
    Tilde,
}

impl Pointer {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(PointerError::NoSlash);
        }
        let escaped = |rest: &str| rest.starts_with(['0', '1']);
        match text.split('~').skip(1).all(escaped) {
            true => Ok(Self(text.to_owned())),
            false => Err(PointerError::Tilde),
        }
    }

    /// What is there.
    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.pointer(&self.0)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Places where a value may be: the first that is there counts. Written with ` or ` between them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Vec<Pointer>);

impl Place {
    /// Reads one.
    ///
    /// # Errors
    /// One of the pointers is none.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        let pointers = text.split(OR).map(|one| Pointer::parse(one.trim()));
        pointers.collect::<Result<_, _>>().map(Self)
    }

    /// What is there.
    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().find_map(|pointer| pointer.find(value))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<&str> = self.0.iter().map(|pointer| pointer.0.as_str()).collect();
        f.write_str(&all.join(OR))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 6901, section 5.
    #[test]
    fn the_examples_of_the_rfc_point_where_they_do() {
        let document = json!({
            "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7,
            "m~n": 8,
        });
        for (pointer, value) in [
            ("", document.clone()),
            ("/foo", json!(["bar", "baz"])),
            ("/foo/0", json!("bar")),
            ("/", json!(0)),
            ("/a~1b", json!(1)),
            ("/c%d", json!(2)),
            ("/e^f", json!(3)),
            ("/g|h", json!(4)),
            ("/i\\j", json!(5)),
            ("/k\"l", json!(6)),
            ("/ ", json!(7)),
            ("/m~0n", json!(8)),
        ] {
            let read = Pointer::parse(pointer).unwrap_or_else(|error| panic!("{pointer}: {error}"));
            assert_eq!(read.find(&document), Some(&value), "{pointer}");
        }
        assert_eq!(Pointer::parse("foo"), Err(PointerError::NoSlash));
        for broken in ["/a~", "/a~2", "/~~0"] {
            assert_eq!(Pointer::parse(broken), Err(PointerError::Tilde), "{broken}");
        }
    }

    #[test]
    fn of_several_places_the_first_that_is_there_counts() {
        let place = Place::parse("/data/id or /id").expect("both are pointers");
        assert_eq!(place.find(&json!({"id": 1})), Some(&json!(1)));
        assert_eq!(place.find(&json!({"data": {"id": 2}, "id": 1})), Some(&json!(2)));
        assert_eq!(place.find(&json!({"data": {}})), None);
        assert_eq!(place.to_string(), "/data/id or /id");
    }
}
