//! What comes in: which frames, and what they say.

use std::fmt;

use serde_json::{Number, Value};

use super::{
    frame::Frame,
    pointer::{Place, Pointer},
    text::{Lookup, Text},
};

/// A kind of frame, with all that is taken out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// What such a frame says.
    pub says: Says,
    /// A text before the JSON, which is cut off.
    pub prefix: String,
    /// The whole frame, where it is no JSON.
    pub text: Option<String>,
    /// What has to be so.
    pub when: Vec<(Place, Condition)>,
    /// What is taken out.
    pub fields: Vec<(Field, Source)>,
    /// What is kept for later frames of the socket, and under which name.
    pub save: Vec<(String, Place)>,
    /// What a client answers.
    pub reply: Vec<Frame>,
}

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Says {
    Welcome,
    Rejected,
    Joined,
    Left,
    Roster,
    Pong,
    Error,
    Offer,
    Answer,
    Candidate,
    Ignore,
    Other,
    OtherRoom,
    OtherMember,
    ServerWide,
}

/// What can be taken out of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Members,
    Present,
    Token,
    Resumed,
    OwnId,
    Id,
    Name,
    Again,
    Reason,
    Message,
    About,
    Remote,
    Sdp,
    Candidate,
    SdpMid,
    SdpMLineIndex,
    UsernameFragment,
    Kind,
}

/// Where a field is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the frame.
    At(Place),
    /// It is always that.
    Is(Text),
    /// Members, as a list or as a map by their ids.
    Members(Members),
}

/// Members in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// The list or map.
    pub list: Place,
    /// Where each one's id is in it.
    pub id: InItem,
    /// Where each one's name is, if it is told.
    pub name: Option<InItem>,
}

/// Where something is in an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InItem {
    /// It is the key of the item, in a map: `$key`.
    Key,
    /// There; the empty pointer is the item itself.
    At(Pointer),
}

/// What a value has to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// One of these; empty: whatever it is.
    pub is: Vec<Literal>,
    /// None of these. What is not there is none of them.
    pub not: Vec<Literal>,
    /// There, or not there.
    pub exists: Option<bool>,
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
}

/// What is to be known of a kind: its word, the fields that it needs, and those that it may have.
pub struct Kind {
    /// In `as`.
    pub word: &'static str,
    /// It.
    pub says: Says,
    /// Without these it says nothing.
    pub needs: &'static [Field],
    /// These are taken if they are told.
    pub may: &'static [Field],
    /// What it is, in a few words.
    pub about: &'static str,
}

impl Says {
    /// Every kind.
    pub const ALL: [Kind; 15] = [
        kind(
            "welcome",
            Self::Welcome,
            &[],
            &[Field::Members, Field::Token, Field::Resumed, Field::OwnId],
            "The join is confirmed",
        ),
        kind(
            "rejected",
            Self::Rejected,
            &[],
            &[Field::Reason, Field::Message],
            "The join is refused",
        ),
        kind(
            "joined",
            Self::Joined,
            &[Field::Id],
            &[Field::Name, Field::Again, Field::Present],
            "Somebody else has joined",
        ),
        kind(
            "left",
            Self::Left,
            &[Field::Id],
            &[Field::Reason],
            "Somebody else has left",
        ),
        kind(
            "roster",
            Self::Roster,
            &[Field::Members],
            &[],
            "Everybody who is a member now",
        ),
        kind("pong", Self::Pong, &[], &[], "The answer to `ping`"),
        kind(
            "error",
            Self::Error,
            &[],
            &[Field::Reason, Field::Message, Field::About],
            "The server could not do something",
        ),
        kind(
            "offer",
            Self::Offer,
            &[Field::Remote, Field::Sdp],
            &[],
            "A member's offer",
        ),
        kind(
            "answer",
            Self::Answer,
            &[Field::Remote, Field::Sdp],
            &[],
            "A member's answer",
        ),
        kind(
            "candidate",
            Self::Candidate,
            &[Field::Remote, Field::Candidate],
            &[Field::SdpMid, Field::SdpMLineIndex, Field::UsernameFragment],
            "A member's candidate",
        ),
        kind(
            "ignore",
            Self::Ignore,
            &[],
            &[],
            "Nothing to a client: one's own frame come back, a greeting",
        ),
        kind(
            "other",
            Self::Other,
            &[],
            &[Field::Kind],
            "Something of the room that links and rosters do not need",
        ),
        kind(
            "other_room",
            Self::OtherRoom,
            &[],
            &[],
            "Another room's: counted as waste",
        ),
        kind(
            "other_member",
            Self::OtherMember,
            &[],
            &[],
            "For another member: counted as waste",
        ),
        kind(
            "server_wide",
            Self::ServerWide,
            &[],
            &[],
            "What the server tells everybody, whatever the room: counted as waste",
        ),
    ];

    /// What is known of it.
    pub fn kind(self) -> &'static Kind {
        static KINDS: [Kind; 15] = Says::ALL;
        KINDS.iter().find(|kind| kind.says == self).unwrap_or(&KINDS[0])
    }

    /// The one of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|kind| kind.word == word)
            .map(|kind| kind.says)
    }
}

const fn kind(
    word: &'static str,
    says: Says,
    needs: &'static [Field],
    may: &'static [Field],
    about: &'static str,
) -> Kind {
    Kind {
        word,
        says,
        needs,
        may,
        about,
    }
}

impl Kind {
    /// All its fields.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.needs.iter().chain(self.may).copied()
    }
}

impl Field {
    /// All of them, with their words.
    pub const ALL: [(&'static str, Self); 18] = [
        ("members", Self::Members),
        ("present", Self::Present),
        ("token", Self::Token),
        ("resumed", Self::Resumed),
        ("own_id", Self::OwnId),
        ("id", Self::Id),
        ("name", Self::Name),
        ("again", Self::Again),
        ("reason", Self::Reason),
        ("message", Self::Message),
        ("about", Self::About),
        ("remote", Self::Remote),
        ("sdp", Self::Sdp),
        ("candidate", Self::Candidate),
        ("sdpMid", Self::SdpMid),
        ("sdpMLineIndex", Self::SdpMLineIndex),
        ("usernameFragment", Self::UsernameFragment),
        ("kind", Self::Kind),
    ];

    /// Its key.
    pub fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, field)| *field == self);
        found.map_or("", |(word, _)| word)
    }

    /// Whether it is a list of members.
    pub fn is_members(self) -> bool {
        matches!(self, Self::Members | Self::Present)
    }
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().word)
    }
}

impl Matcher {
    /// Where a field is found.
    pub fn source(&self, field: Field) -> Option<&Source> {
        let found = self.fields.iter().find(|(other, _)| *other == field);
        found.map(|(_, source)| source)
    }

    /// The conditions that a frame does not meet; a frame that meets all is of this kind.
    pub fn unmet<'m>(
        &'m self,
        frame: &'m Value,
        values: &'m dyn Lookup,
    ) -> impl Iterator<Item = &'m (Place, Condition)> {
        self.when
            .iter()
            .filter(move |(place, condition)| !condition.holds(place.find(frame), values))
    }

    /// Whether every frame of `other` is one of this, so that no frame gets to `other`, which stands behind it.
    pub fn covers(&self, other: &Self) -> bool {
        if let Some(text) = &self.text {
            return other.text.as_ref() == Some(text);
        }
        let of_json = self.prefix == other.prefix && other.text.is_none();
        of_json
            && self.when.iter().all(|(place, condition)| {
                let same = other.when.iter().filter(|(theirs, _)| theirs == place);
                same.into_iter().any(|(_, theirs)| condition.follows_from(theirs))
            })
    }
}

impl Condition {
    fn holds(&self, value: Option<&Value>, values: &dyn Lookup) -> bool {
        let is = |literal: &Literal| value.is_some_and(|value| literal.is(value, values));
        (self.is.is_empty() || self.is.iter().any(is))
            && !self.not.iter().any(is)
            && self.exists.is_none_or(|exists| exists == value.is_some())
    }

    /// Whether it holds wherever the other does.
    fn follows_from(&self, other: &Self) -> bool {
        let within = |own: &[Literal], theirs: &[Literal]| theirs.iter().all(|one| own.contains(one));
        let is = self.is.is_empty() || !other.is.is_empty() && within(&self.is, &other.is);
        let apart = |unwanted: &Literal| {
            let fixed = |literal: &Literal| literal != unwanted && literal.is_fixed() && unwanted.is_fixed();
            other.not.contains(unwanted)
                || !other.is.is_empty() && other.is.iter().all(fixed)
                || other.exists == Some(false)
        };
        let exists = match self.exists {
            None => true,
            Some(true) => other.exists == Some(true) || !other.is.is_empty(),
            Some(false) => other.exists == Some(false),
        };
        is && self.not.iter().all(apart) && exists
    }
}

impl Literal {
    fn is(&self, value: &Value, values: &dyn Lookup) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(wanted), Value::Bool(is)) => wanted == is,
            (Self::Number(wanted), Value::Number(is)) => {
                wanted == is || wanted.as_f64().is_some() && wanted.as_f64() == is.as_f64()
            }
            (Self::Text(wanted), Value::String(is)) => match wanted.fixed() {
                Some(fixed) => fixed == is,
                None => wanted.fill(values) == *is,
            },
            // An id that is a number on the wire.
            (Self::Text(wanted), Value::Number(is)) => {
                wanted.fixed().is_none() && wanted.fill(values) == is.to_string()
            }
            _ => false,
        }
    }

    /// Nothing in it differs.
    fn is_fixed(&self) -> bool {
        match self {
            Self::Text(text) => text.fixed().is_some(),
            _ => true,
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "`{text}`"),
        }
    }
}

/// In words: `one of …, not …, there`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |literals: &[Literal]| {
            let all: Vec<String> = literals.iter().map(ToString::to_string).collect();
            all.join(" or ")
        };
        let mut parts = Vec::new();
        if !self.is.is_empty() {
            parts.push(list(&self.is));
        }
        if !self.not.is_empty() {
            parts.push(format!("not {}", list(&self.not)));
        }
        match self.exists {
            Some(true) => parts.push("there".to_owned()),
            Some(false) => parts.push("not there".to_owned()),
            None => {}
        }
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for InItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("$key"),
            Self::At(pointer) => pointer.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use serde_json::json;

    use super::*;
    use crate::signaling::custom::text::{Known, Variable};

    struct Ann;

    impl Lookup for Ann {
        fn get(&self, variable: &Variable) -> Known<'_> {
            match variable {
                Variable::User => Known::Text("ann".into()),
                _ => Known::Nothing,
            }
        }
    }

    fn text(text: &str) -> Literal {
        Literal::Text(Text::parse(text).expect("it is one"))
    }

    fn is(literals: &[Literal]) -> Condition {
        Condition {
            is: literals.to_vec(),
            ..Condition::default()
        }
    }

    fn not(literals: &[Literal]) -> Condition {
        Condition {
            not: literals.to_vec(),
            ..Condition::default()
        }
    }

    fn exists(there: bool) -> Condition {
        Condition {
            exists: Some(there),
            ..Condition::default()
        }
    }

    #[test]
    fn a_condition_holds_where_it_says() {
        for (condition, value, holds) in [
            (is(&[text("a"), text("b")]), Some(json!("b")), true),
            (is(&[text("a")]), Some(json!("c")), false),
            (is(&[text("a")]), None, false),
            (is(&[text("${user}")]), Some(json!("ann")), true),
            (not(&[text("${user}")]), Some(json!("ann")), false),
            (not(&[text("${user}")]), Some(json!("bob")), true),
            (not(&[text("a")]), None, true),
            (is(&[Literal::Null]), Some(json!(null)), true),
            (is(&[Literal::Null]), None, false),
            (is(&[Literal::Number(1.into())]), Some(json!(1.0)), true),
            (is(&[text("1")]), Some(json!(1)), false),
            (is(&[Literal::Bool(true)]), Some(json!("true")), false),
            (exists(true), Some(json!(null)), true),
            (exists(true), None, false),
            (exists(false), None, true),
        ] {
            assert_eq!(
                condition.holds(value.as_ref(), &Ann),
                holds,
                "{condition}: {value:?}"
            );
        }
    }

    #[test]
    fn what_stands_behind_a_wider_one_is_seen_to_be_out_of_reach() {
        let matcher = |when: &[(&str, Condition)]| Matcher {
            says: Says::Ignore,
            prefix: String::new(),
            text: None,
            when: when
                .iter()
                .map(|(place, condition)| (Place::parse(place).expect("a place"), condition.clone()))
                .collect(),
            fields: Vec::new(),
            save: Vec::new(),
            reply: Vec::new(),
        };
        let (a, b) = (text("a"), text("b"));
        for (first, second, covers) in [
            (matcher(&[]), matcher(&[("/t", is(from_ref(&a)))]), true),
            (matcher(&[("/t", is(from_ref(&a)))]), matcher(&[]), false),
            (
                matcher(&[("/t", is(&[a.clone(), b.clone()]))]),
                matcher(&[("/t", is(from_ref(&b))), ("/u", exists(true))]),
                true,
            ),
            (
                matcher(&[("/t", is(from_ref(&a)))]),
                matcher(&[("/t", is(from_ref(&b)))]),
                false,
            ),
            (
                matcher(&[("/t", exists(true))]),
                matcher(&[("/t", is(from_ref(&b)))]),
                true,
            ),
            (
                matcher(&[("/t", not(from_ref(&a)))]),
                matcher(&[("/t", is(from_ref(&b)))]),
                true,
            ),
            (
                matcher(&[("/t", not(&[text("${user}")]))]),
                matcher(&[("/t", is(from_ref(&b)))]),
                false,
            ),
            (
                matcher(&[("/t", is(from_ref(&a)))]),
                matcher(&[("/u", is(from_ref(&a)))]),
                false,
            ),
        ] {
            assert_eq!(first.covers(&second), covers, "{first:?}\n{second:?}");
        }
    }
}
