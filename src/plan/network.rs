use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::wire;
use crate::{
    base::PeerId,
    impair::{AccessLink, Profile},
};

/// What a peer's way to the others is like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Its access link, which everything crosses; what passes from peer to peer crosses two.
    pub link: AccessLink,
    /// What lies beyond it towards single remotes.
    pub to: Vec<PathPlan>,
}

/// What datagrams to and from some remotes cross beside the access link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPlan {
    /// Each has a way of its own. Ascending, not empty, nobody in two of them.
    pub with: Vec<PeerId>,
    /// What each of these ways is like; `up` is towards the remote.
    pub link: AccessLink,
}

impl Network {
    /// Whether everything passes at once.
    pub fn is_none(&self) -> bool {
        self.link.is_none() && self.to.iter().all(|path| path.link.is_none())
    }

    /// The share of datagrams to or from `remote` that is of no use at the other end, one way; the larger one of
    /// both.
    pub fn wasted(&self, remote: PeerId) -> f64 {
        let path = self.to.iter().find(|path| path.with.contains(&remote));
        let beyond = path.map_or(0.0, |path| path.link.wasted());
        1.0 - (1.0 - self.link.wasted()) * (1.0 - beyond)
    }
}

impl From<AccessLink> for Network {
    fn from(link: AccessLink) -> Self {
        Self { link, to: Vec::new() }
    }
}

impl Serialize for Network {
    /// `up` and `down`, and `to` if there is anything beyond.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Network", 3)?;
        serialize_ways::<S>(&mut fields, &self.link)?;
        match self.to.is_empty() {
            true => fields.skip_field("to")?,
            false => fields.serialize_field("to", &self.to)?,
        }
        fields.end()
    }
}

impl Serialize for PathPlan {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("PathPlan", 3)?;
        fields.serialize_field("with", &self.with)?;
        serialize_ways::<S>(&mut fields, &self.link)?;
        fields.end()
    }
}

fn serialize_ways<S: Serializer>(fields: &mut S::SerializeStruct, link: &AccessLink) -> Result<(), S::Error> {
    #[derive(Serialize)]
    struct Way<'a>(#[serde(serialize_with = "wire::profile")] &'a Profile);
    fields.serialize_field("up", &Way(&link.up))?;
    fields.serialize_field("down", &Way(&link.down))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wasted_on_the_way_to_a_remote_adds_to_what_the_link_wastes() {
        let losing = |share: &str| {
            AccessLink::both(Profile {
                loss: share.parse().expect("a share"),
                ..Profile::none()
            })
        };
        let network = Network {
            link: losing("10%"),
            to: vec![PathPlan {
                with: vec![PeerId(2)],
                link: losing("50%"),
            }],
        };
        assert!((network.wasted(PeerId(1)) - 0.1).abs() < 1e-9);
        assert!((network.wasted(PeerId(2)) - 0.55).abs() < 1e-9);
        assert!(!network.is_none() && Network::default().is_none());
    }
}
