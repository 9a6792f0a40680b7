use super::{
    metric::{Metric, counter, rate, trend},
    tags::{
        AGAIN, BURST, CAUSE, CONNECT, EXPECTED, FAILURES, FORGED, IGNORED, LIMITS, PATH, RECONNECT, TREATED,
        WASTE,
    },
};

/// Every metric there is, trends first, then rates, then counters.
pub const CATALOGUE: &[Metric] = &[
    trend(
        "signaling_ms",
        &[],
        "From a join's planned instant until the server has confirmed it, or where the target relays as the deployment \
         does, another member (or for want of one, the relay); a join that failed, was refused against expectation or \
         has no answer after `connect_timeout` is a failure.",
    ),
    trend(
        "connect_ms",
        CONNECT,
        "From the later of two peers' planned joins (tie: the greater id's) until both ends report the data channel \
         open, for the first overlap of their memberships; `pair` is the local candidate type at the end that opened \
         later, and `degraded=yes` marks links that were not open yet while a scripted fault was on at one of the two.",
    ),
    trend(
        "offer_answer_ms",
        &[],
        "First phase of `connect_ms`: until the offer/answer exchange is complete at both ends.",
    ),
    trend(
        "ice_ms",
        &[],
        "Second phase of `connect_ms`: from there until ICE is connected at both ends.",
    ),
    trend(
        "dtls_ms",
        &[],
        "Third phase of `connect_ms`: from there until both connections are `connected`, that is DTLS is done.",
    ),
    trend(
        "channel_ms",
        &[],
        "Last phase of `connect_ms`: from there until the data channel is open at both ends, or on links of media, the \
         first RTP packet has come in.",
    ),
    trend(
        "join_ms",
        AGAIN,
        "From a peer's planned join until the server has confirmed it and the data channels to all peers that were \
         planned to join no later are open at its end.",
    ),
    trend(
        "reconnect_ms",
        RECONNECT,
        "From the end of a fault (after a leave or a crash: the later planned join) until data has flowed both ways \
         again, one sample per link and fault, at the later end if it began at both; 0 if data flowed before the end.",
    ),
    trend(
        "outage_ms",
        RECONNECT,
        "From the planned start of a fault or crash on an open link until data has flowed both ways again; a failure \
         where `reconnect_ms` is one.",
    ),
    trend(
        "detect_ms",
        RECONNECT,
        "From the planned start of a fault on an open link until either end noticed (of a crash: until the other end \
         noticed or the server told it); what nobody notices gives no sample.",
    ),
    trend(
        "signaling_reconnect_ms",
        &[],
        "From the loss of a member's signaling socket until its membership was taken over; a membership that is lost, \
         or not taken over within `connect_timeout`, is a failure.",
    ),
    trend(
        "server_connect_ms",
        &[],
        "From a peer's planned join until its connection to the server was open for the first time, where the links of \
         pairs go through that; not so within `connect_timeout` is a failure.",
    ),
    trend(
        "external_connect_ms",
        &[],
        "From a peer's planned join, or from when it was told that a member who is not in the plan has joined after it, \
         until its data channel to that member was open; not so within `connect_timeout` is a failure.",
    ),
    trend(
        "message_ms",
        &[],
        "From the planned instant of a chat message until it was delivered to the receiving script; unsent and lost \
         ones are failures.",
    ),
    trend(
        "generator_lag_ms",
        BURST,
        "From the planned instant of a step until the generator began it; `burst=yes` marks steps planned in the first \
         5 s of a declared burst.",
    ),
    trend(
        "event_loop_lag_ms",
        BURST,
        "How much later than due, less the 1 ms that timers are exact to, a timer fired that is due every 10 ms in each \
         event loop of the generator; `burst=yes` marks those of the first 5 s of a declared burst.",
    ),
    rate(
        "connect_failed",
        &[],
        "Share of first links that did not open within `connect_timeout`, or whose join failed; abandoned ones are \
         left out.",
    ),
    rate(
        "reconnect_failed",
        RECONNECT,
        "Share of links over which no data flowed both ways within `connect_timeout` after the fault, or whose join \
         failed; abandoned ones are left out.",
    ),
    rate(
        "message_failed",
        &[],
        "Share of due chat messages that were unsent or lost; abandoned ones are left out.",
    ),
    rate(
        "outage_message_failed",
        CAUSE,
        "Share of chat messages planned in the outage of their link (from the planned start of a fault until data \
         flowed both ways again or the link failed) that were unsent or lost; abandoned ones are left out.",
    ),
    counter(
        "messages_sent",
        &[],
        "Chat messages that went out, one per remote; after the run the sum of received, lost and abandoned.",
    ),
    counter(
        "messages_received",
        &[],
        "Chat messages delivered within `message_timeout`, repeats not counted.",
    ),
    counter(
        "messages_unsent",
        &[],
        "Chat messages due to a member to whom no channel was open at the planned instant.",
    ),
    counter(
        "messages_lost",
        &[],
        "Chat messages not delivered within `message_timeout` of being sent.",
    ),
    counter(
        "messages_duplicated",
        &[],
        "Deliveries of a chat message that had been delivered before.",
    ),
    counter(
        "messages_reordered",
        &[],
        "Chat messages delivered after a later one of the same sender on the same connection.",
    ),
    counter(
        "messages_abandoned",
        &[],
        "Chat messages whose sender or receiver began to leave or crashed before delivery, or still on the way when the \
         run ended.",
    ),
    counter(
        "messages_not_due",
        &[],
        "Planned chat messages that were not sent because the remote had left.",
    ),
    counter(
        "messages_unmatched",
        &[],
        "Deliveries of a chat message that was not (or no longer) on its way: lost or abandoned before, or never sent.",
    ),
    counter("steps_started", &[], "Scripted actions that began."),
    counter("joins_started", AGAIN, "Joins asked for."),
    counter(
        "joins_confirmed",
        &[],
        "Joins that the server confirmed, or where none does that, another member.",
    ),
    counter(
        "joins_relayed",
        &[],
        "Of these, joins that no member was heard to act on, as nobody is there whom the first one could hear: the \
         relay had passed them on.",
    ),
    counter("joins_rejected", EXPECTED, "Joins that the server refused."),
    counter(
        "joins_failed",
        &[],
        "Joins that ended without the server's word: no socket, a time-out, an error.",
    ),
    counter(
        "joins_unexpected",
        &[],
        "Joins that the server confirmed although the script expected a refusal; their links are not measured.",
    ),
    counter(
        "joins_abandoned",
        &[],
        "Joins that a leave, a crash or the run's end cut short before all their expected links were open.",
    ),
    counter(
        "connect_abandoned",
        &[],
        "First links that a leave, a crash or the run's end cut short before both ends were open.",
    ),
    counter(
        "reconnect_abandoned",
        RECONNECT,
        "Reconnecting links that a leave, a crash or the run's end cut short before data had flowed both ways.",
    ),
    counter(
        "signaling_reconnect_abandoned",
        &[],
        "Losses of a signaling socket that a scripted leave, a crash or the run's end came after, before the membership \
         was taken over.",
    ),
    counter(
        "faults_started",
        CAUSE,
        "Scripted faults and restarts that began, one for each link and end that they began at.",
    ),
    counter(
        "faults_merged",
        CAUSE,
        "Those that began on a link on which one was not over, and count as one with it.",
    ),
    counter(
        "faults_unmeasured",
        CAUSE,
        "Those that began on no open link, or that the end of the membership tells of (crash, rejoin).",
    ),
    counter(
        "faults_detected",
        &[],
        "Times that an end noticed that its link was not well.",
    ),
    counter(
        "recoveries_started",
        PATH,
        "Times that an end began to do something about a link that was not well.",
    ),
    counter(
        "links_given_up",
        &[],
        "Times that an end stopped trying to bring a link back, after `give_up_after` connections in a row in vain.",
    ),
    counter(
        "recovered_by",
        RECONNECT,
        "Links over which data flowed both ways within `connect_timeout` after a fault, a leave or a crash, by what \
         brought them back: the samples of `reconnect_ms` that are no failures.",
    ),
    counter("crashes", &[], "Peers that crashed, each time."),
    counter(
        "server_restarts",
        &[],
        "Restarts of the server by `server: restart`.",
    ),
    counter("server_crashes", &[], "Crashes of the server by `server: crash`."),
    counter("server_pauses", &[], "Pauses of the server by `server: pause`."),
    counter(
        "server_slowdowns",
        &[],
        "Times that `server: slow` made the server take longer over each frame.",
    ),
    counter(
        "server_commands_failed",
        &[],
        "Commands of `target.control` that failed or took too long: the run is INVALID.",
    ),
    counter(
        "wait_expired",
        &[],
        "Waits that ran out of time, one for each missing link.",
    ),
    counter(
        "barrier_expired",
        &[],
        "Barriers that ran out of time, one for each peer.",
    ),
    counter("connections_created", &[], "`RTCPeerConnection`s made."),
    counter(
        "dtls_flights_repeated",
        &[],
        "DTLS flights that the lost-flight repair sent again.",
    ),
    counter(
        "stale_ignored",
        &[],
        "Callbacks and timers of replaced connections that were ignored, as they must be.",
    ),
    counter(
        "generations_crossed",
        &[],
        "Callbacks and timers of one connection that took effect on another.",
    ),
    counter(
        "glare",
        &[],
        "Colliding offers, one for each end that saw the collision.",
    ),
    counter(
        "descriptions_ignored",
        IGNORED,
        "Offers and answers that were dropped.",
    ),
    counter(
        "offers_overdue",
        &[],
        "Offers that had no answer within the client's `answer_within` and were sent again, each time.",
    ),
    counter(
        "frames_treated",
        TREATED,
        "Signaling frames that a `signaling` step did something to, once for each thing that it did.",
    ),
    counter(
        "frames_forged",
        FORGED,
        "Signaling frames that a step sent and the client would not have: copies, stale offers, second joins, raw ones.",
    ),
    counter(
        "operations_failed",
        &[],
        "Calls on a connection that the stack or its state refused.",
    ),
    counter(
        "server_connects_abandoned",
        &[],
        "Cases of `server_connect_ms` that a leave, a crash or the run's end cut short before their time-out.",
    ),
    counter(
        "external_connects_abandoned",
        &[],
        "Cases of `external_connect_ms` that a leave or the run's end cut short before their time-out.",
    ),
    counter(
        "externals_ignored",
        &[],
        "Members who are not in the plan and whom the peers of their room ignored.",
    ),
    counter(
        "externals_joined",
        &[],
        "Members who are not in the plan, as each peer was told of them.",
    ),
    counter(
        "external_channels_opened",
        &[],
        "Data channels to members who are not in the plan.",
    ),
    counter(
        "external_messages_sent",
        &[],
        "Chat messages that went out to members who are not in the plan.",
    ),
    counter(
        "external_messages_unsent",
        &[],
        "Chat messages due to such a member to whom no channel was open at the planned instant.",
    ),
    counter(
        "external_messages_received",
        &[],
        "Chat messages of members who are not in the plan.",
    ),
    counter("signaling_errors", &[], "Error frames that the server sent."),
    counter(
        "signaling_lost",
        FAILURES,
        "Signaling sockets that were lost or could not be opened.",
    ),
    counter("signaling_receivers", &[], "Peers that signaling frames came to."),
    counter(
        "signaling_frames_received",
        &[],
        "Signaling frames that came to peers.",
    ),
    counter(
        "signaling_bytes_received",
        &[],
        "Bytes of the texts of these frames.",
    ),
    counter(
        "fanout_waste_frames",
        WASTE,
        "Of these frames, those that nobody of the peer's room had sent to it or to the room: another room's, a \
         member's for another one, and what the server tells everybody.",
    ),
    counter("fanout_waste_bytes", WASTE, "Bytes of the texts of these."),
    counter(
        "datagrams_lost",
        &[],
        "Datagrams of connections that a profile's loss took on a peer's access link.",
    ),
    counter(
        "datagrams_queue_full",
        &[],
        "Datagrams of connections that would have waited for a peer's access link for longer than its queue.",
    ),
    counter(
        "datagrams_blocked",
        &[],
        "Datagrams of connections that vanished in an outage, or at a peer that had crashed.",
    ),
    counter(
        "datagrams_overflowed",
        &[],
        "Datagrams of connections that the harness itself dropped: more were on their way through one socket than it may hold.",
    ),
    counter(
        "datagrams_duplicated",
        &[],
        "Datagrams of connections that a peer's access link, or the way beyond it, has copied.",
    ),
    counter(
        "datagrams_corrupted",
        &[],
        "Datagrams of connections that have come out of a peer's access link with a bit flipped.",
    ),
    counter(
        "datagrams_reordered",
        &[],
        "Datagrams of connections that have come out of a peer's access link before something that went in earlier.",
    ),
    counter(
        "links_without_path",
        &[],
        "Pairs of peers that can't connect, whatever their clients do: their NATs let no first datagram through, and neither has a relay.",
    ),
    counter(
        "limits_hit",
        LIMITS,
        "Limits of the harness, of a client's rules, or of the command line, that were hit.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::metrics::Kind;

    #[test]
    fn names_are_unique_and_trends_carry_their_unit() {
        let names: BTreeSet<_> = CATALOGUE.iter().map(|m| m.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        for metric in CATALOGUE {
            assert_eq!(
                metric.name.ends_with("_ms"),
                metric.kind == Kind::Trend,
                "{}",
                metric.name
            );
            assert!(
                metric.definition.ends_with('.') && metric.definition.matches(". ").count() == 0,
                "{} is one sentence",
                metric.name
            );
            assert!(metric.tags.iter().all(|tag| !tag.values.is_empty()));
        }
    }
}
