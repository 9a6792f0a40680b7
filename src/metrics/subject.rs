/// What a sample waits for until it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A join that is to be complete.
    Joins,
    /// A membership that is to be taken over.
    Signaling,
    /// A link that is to come back.
    Recovery,
    /// A first link that is to open.
    Links,
    /// A first connection to the server that is to open.
    ServerLinks,
    /// A first channel to a member who is not in the plan.
    Externals,
    /// A message that is to come in.
    Messages,
}

impl Subject {
    /// Of a metric; `None`: it is known as it happens.
    pub(super) fn of(metric: &str) -> Option<Self> {
        match metric {
            "signaling_ms" | "join_ms" | "joins_abandoned" => Some(Self::Joins),
            "signaling_reconnect_ms" | "signaling_reconnect_abandoned" => Some(Self::Signaling),
            "reconnect_ms"
            | "reconnect_failed"
            | "reconnect_abandoned"
            | "recovered_by"
            | "outage_ms"
            | "detect_ms" => Some(Self::Recovery),
            "connect_ms" | "connect_failed" | "connect_abandoned" | "offer_answer_ms" | "ice_ms"
            | "dtls_ms" | "channel_ms" => Some(Self::Links),
            "server_connect_ms" | "server_connects_abandoned" => Some(Self::ServerLinks),
            "external_connect_ms" | "external_connects_abandoned" => Some(Self::Externals),
            "outage_message_failed" => Some(Self::Messages),
            name if name.starts_with("message") => Some(Self::Messages),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{CATALOGUE, Kind};

    #[test]
    fn every_trend_and_rate_waits_for_something_but_those_of_the_generator() {
        for metric in CATALOGUE.iter().filter(|metric| metric.kind != Kind::Counter) {
            let of_generator = ["generator_lag_ms", "event_loop_lag_ms"].contains(&metric.name);
            assert_eq!(
                Subject::of(metric.name).is_none(),
                of_generator,
                "{}",
                metric.name
            );
        }
    }
}
