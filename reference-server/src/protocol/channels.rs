/// The channel of room frames.
pub const ROOMS_CHANNEL: &str = "webrtc-dashboard-rooms";
/// The channel of offers, answers and candidates.
pub const SIGNALING_CHANNEL: &str = "webrtc-signaling";
/// The channel of chat notices.
pub const CHAT_CHANNEL: &str = "webrtc-dashboard-chat";
/// The channel of requests to be let in.
pub const ACCESS_CHANNEL: &str = "webrtc-dashboard-access";
