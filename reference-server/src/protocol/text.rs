use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::limits::{CHANNEL_BYTES_MAX, ID_BYTES_MAX, NAME_BYTES_MAX};

/// Why a text is no id, name or channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    /// It has no characters.
    #[error("{what} is empty")]
    Empty {
        /// The kind of text.
        what: &'static str,
    },
    /// It has more bytes than its limit.
    #[error("{what} is longer than {max} bytes")]
    TooLong {
        /// The kind of text.
        what: &'static str,
        /// Its limit in bytes of UTF-8.
        max: usize,
    },
    /// A control character is in it.
    #[error("{what} has a control character")]
    Control {
        /// The kind of text.
        what: &'static str,
    },
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text against its limit.
            pub fn new(text: &str) -> Result<Self, TextError> {
                let what = $what;
                match text {
                    "" => Err(TextError::Empty { what }),
                    _ if text.len() > $max => Err(TextError::TooLong { what, max: $max }),
                    _ if text.chars().any(char::is_control) => Err(TextError::Control { what }),
                    _ => Ok(Self(text.into())),
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(from)?;
                Self::new(&text).map_err(de::Error::custom)
            }
        }
    };
}

text!(
    /// The id of a room: not empty, no control characters, at most [`ID_BYTES_MAX`] bytes.
    RoomId, "the room id", ID_BYTES_MAX
);
text!(
    /// The id of a user: not empty, no control characters, at most [`ID_BYTES_MAX`] bytes.
    UserId, "the user id", ID_BYTES_MAX
);
text!(
    /// The name of a user or a room: not empty, no control characters, at most [`NAME_BYTES_MAX`] bytes.
    Name, "the name", NAME_BYTES_MAX
);
text!(
    /// The name of a channel: not empty, no control characters, at most [`CHANNEL_BYTES_MAX`] bytes.
    Channel, "the channel", CHANNEL_BYTES_MAX
);

impl RoomId {
    /// The name of a room that nobody named.
    pub fn to_name(&self) -> Name {
        const { assert!(ID_BYTES_MAX <= NAME_BYTES_MAX) }
        Name(self.0.clone())
    }
}

impl Name {
    /// What names are compared by: the whole Unicode lowercase.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_accepted_up_to_its_limit_and_without_control_characters() {
        assert!(RoomId::new(&"r".repeat(ID_BYTES_MAX)).is_ok());
        assert!(matches!(
            RoomId::new(&"r".repeat(ID_BYTES_MAX + 1)),
            Err(TextError::TooLong { .. })
        ));
        assert!(matches!(UserId::new(""), Err(TextError::Empty { .. })));
        assert!(matches!(Name::new("a\u{0}b"), Err(TextError::Control { .. })));
        assert!(Name::new("Zoë 🦀").is_ok());
    }

    #[test]
    fn names_fold_the_whole_of_unicode() {
        let folded = |name| Name::new(name).expect("a fair name").folded();
        assert_eq!(folded("ÅSA"), folded("åsa"));
        assert_eq!(folded("ΟΔΟΣ"), folded("οδος"));
        assert_ne!(folded("Bob"), folded("Rob"));
    }
}
