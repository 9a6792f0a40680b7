//! Every limit of the wire, by name. A limit that is hit is answered, never ignored.
//!
//! Those that say *default* can be set: [`RoomLimits`](crate::RoomLimits).

/// A text frame from a client, in bytes (default). A greater one closes its socket with 1009.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
/// A room id, a user id or a request id, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 128;
/// A user's or a room's name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 256;
/// A channel's name, in bytes of UTF-8.
pub const CHANNEL_BYTES_MAX: usize = 128;
/// A room's description, in bytes of UTF-8.
pub const DESCRIPTION_BYTES_MAX: usize = 4096;
/// Channels that one socket may be subscribed to.
pub const CHANNELS_PER_SOCKET_MAX: usize = 64;
/// Rooms that one socket may be in.
pub const ROOMS_PER_SOCKET_MAX: usize = 64;
/// Rooms on one server (default).
pub const ROOMS_MAX: usize = 100_000;
/// `maxParticipants` of a frame that names none.
pub const PARTICIPANTS_DEFAULT: u32 = 10;
/// The greatest `maxParticipants` that a room may ask for (default).
pub const PARTICIPANTS_MAX: u32 = 1_000;
/// User ids that a room remembers to tell a rejoin from a join; later ones always count as joins.
pub const SEEN_PER_ROOM_MAX: usize = 10_000;
/// Signaling frames kept for one member whose socket is away; a further one is answered `recipient-away`.
pub const HELD_FRAMES_MAX: usize = 256;
/// Bytes of the signaling frames kept for one member whose socket is away.
pub const HELD_BYTES_MAX: usize = 1024 * 1024;
/// Requests to be let in that wait for a verdict, on one server.
pub const PETITIONS_MAX: usize = 10_000;
