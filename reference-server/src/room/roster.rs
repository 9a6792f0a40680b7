/// A room as checkers and tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRoster {
    /// The room's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The user id of its host.
    pub host_id: String,
    /// How many may be in it.
    pub max_participants: u32,
    /// Who is, in the order in which they joined. Never empty.
    pub members: Vec<RosterMember>,
}

impl RoomRoster {
    /// The user ids of its members, in the order in which they joined.
    pub fn into_user_ids(self) -> Vec<String> {
        self.members.into_iter().map(|member| member.user_id).collect()
    }
}

/// A member of a [`RoomRoster`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterMember {
    /// Its user id.
    pub user_id: String,
    /// Its name.
    pub name: String,
    /// Whether its socket is connected. `false`: within its grace time; in deployed mode: a ghost, or a host.
    pub connected: bool,
}

impl RoomRoster {
    /// The member of that user id.
    pub fn member(&self, user_id: &str) -> Option<&RosterMember> {
        self.members.iter().find(|member| member.user_id == user_id)
    }
}
