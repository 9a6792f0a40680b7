//! What is published, and what is had from others.

use serde_json::{Value, json};

use super::{HUNG_UP_AS_ASKED, VideoRoom};
use crate::signaling::{
    Description, Message,
    janus::{
        session::{Ask, HandleKey},
        wire::{Event, Refusal},
    },
};

/// "Publishers full".
const ROOM_FULL: &str = "432";

/// The connection that media is published on.
#[derive(Debug, Clone)]
pub(super) enum Publication {
    None,
    Is {
        /// Whose it is.
        certificate: String,
        /// Whether the offer that was sent last is answered.
        answered: bool,
    },
    /// It is given up, and another one will follow.
    Ending {
        stage: Stage,
        next: Description,
    },
}

/// How far the end of a connection has come. Janus takes an offer for one of the connection before as long as that is not
/// hung up, and hangs up a while after it has confirmed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// Its offer is not answered.
    Offered,
    Unpublishing {
        confirmed: bool,
        hung_up: bool,
    },
    /// It was never up, so Janus calls it not published.
    HangingUp,
}

impl VideoRoom {
    /// An offer of the connection that media is published on.
    pub(super) fn publish(&mut self, offer: Description) {
        let Some(handle) = self.membership.joined() else {
            return;
        };
        match &mut self.publication {
            Publication::None => self.offer(handle, "publish", offer),
            Publication::Is { certificate, .. } if *certificate == certificate_of(&offer) => {
                self.offer(handle, "configure", offer);
            }
            Publication::Is { answered, .. } => {
                let answered = *answered;
                self.session.renew(handle);
                let stage = Stage::Offered;
                self.publication = Publication::Ending { stage, next: offer };
                if answered {
                    self.unpublish(handle);
                }
            }
            Publication::Ending { next, stage } => {
                *next = offer;
                let is_overdue = matches!(stage, Stage::Offered);
                self.session.renew(handle);
                // The answer that was waited for is lost, or Janus is very slow: it reads this after the offer.
                if is_overdue {
                    self.unpublish(handle);
                }
            }
        }
    }

    fn offer(&mut self, handle: HandleKey, request: &str, offer: Description) {
        self.session.expect(handle);
        let body = json!({ "request": request });
        self.session.message(handle, body, Some(&offer), Ask::Publish);
        self.publication = Publication::Is {
            certificate: certificate_of(&offer),
            answered: false,
        };
    }

    fn unpublish(&mut self, handle: HandleKey) {
        let body = json!({ "request": "unpublish" });
        self.session.message(handle, body, None, Ask::Unpublish);
        self.stage(Stage::Unpublishing {
            confirmed: false,
            hung_up: false,
        });
    }

    fn stage(&mut self, to: Stage) {
        if let Publication::Ending { stage, .. } = &mut self.publication {
            *stage = to;
        }
    }

    /// The connection before is no more.
    fn publish_next(&mut self, handle: HandleKey) {
        if let Publication::Ending { next, .. } = &self.publication {
            let next = next.clone();
            self.offer(handle, "publish", next);
        }
    }

    /// An answer to what publishing has asked for.
    pub(super) fn publication_goes_on(&mut self, ask: Ask, answer: Result<Event, Refusal>) {
        let Some(handle) = self.membership.joined() else {
            return;
        };
        if let (Ask::Publish, Err(refusal)) = (ask, &answer)
            && refusal.code == ROOM_FULL
        {
            return self.reject(refusal.clone());
        }
        match (&mut self.publication, ask, answer) {
            (Publication::Is { answered, .. }, Ask::Publish, Ok(event)) => {
                *answered = true;
                if let Some(description) = event.jsep {
                    self.session.described(handle, description);
                }
            }
            (Publication::Is { .. }, Ask::Publish, Err(refusal)) => {
                self.publication = Publication::None;
                self.session.renew(handle);
                self.ended(Message::SERVER.to_owned(), refusal.code);
            }
            (Publication::Ending { stage, .. }, ask, answer) => match (*stage, ask, answer) {
                (Stage::Offered, Ask::Publish, Ok(_)) => self.unpublish(handle),
                (Stage::Offered, Ask::Publish, Err(_)) | (Stage::HangingUp, Ask::HangUp, _) => {
                    self.publish_next(handle);
                }
                (Stage::Unpublishing { hung_up: true, .. }, Ask::Unpublish, Ok(_)) => {
                    self.publish_next(handle);
                }
                (Stage::Unpublishing { hung_up, .. }, Ask::Unpublish, Ok(_)) => {
                    let confirmed = true;
                    self.stage(Stage::Unpublishing { confirmed, hung_up });
                    // Of itself it would do so within the second.
                    self.session.hang_up(handle);
                }
                (Stage::Unpublishing { .. }, Ask::Unpublish, Err(_)) => {
                    self.stage(Stage::HangingUp);
                    self.session.hang_up(handle);
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// The connection on the handle that is in the room has ended.
    pub(super) fn publication_hung_up(&mut self, reason: String) {
        let Some(handle) = self.membership.joined() else {
            return;
        };
        match self.publication {
            Publication::Is { .. } if reason != HUNG_UP_AS_ASKED => {
                self.publication = Publication::None;
                self.session.renew(handle);
                self.ended(Message::SERVER.to_owned(), reason);
            }
            Publication::Ending {
                stage: Stage::Unpublishing { confirmed, .. },
                ..
            } => match confirmed {
                true => self.publish_next(handle),
                false => {
                    let hung_up = true;
                    self.stage(Stage::Unpublishing { confirmed, hung_up });
                }
            },
            _ => {}
        }
    }

    fn ended(&mut self, remote: String, reason: String) {
        self.session.say(Message::Ended { remote, reason });
    }

    /// What `remote` publishes is to be had.
    pub(super) fn request_offer(&mut self, remote: &str, ice_restart: bool) {
        if self.membership.joined().is_none() || remote == Message::SERVER {
            return;
        }
        let present = self.subscriptions.get(remote).copied();
        if let (true, Some(key)) = (ice_restart, present) {
            self.session.expect(key);
            let body = json!({ "request": "configure", "restart": true });
            return self.session.message(key, body, None, Ask::Offer);
        }
        self.unsubscribe(remote);
        let key = self.session.attach(remote);
        self.subscriptions.insert(remote.to_owned(), key);
    }

    pub(super) fn unsubscribe(&mut self, remote: &str) {
        if let Some(key) = self.subscriptions.remove(remote) {
            self.session.detach(key, Ask::Detach);
        }
    }

    pub(super) fn answer(&mut self, remote: &str, answer: &Description) {
        let Some(key) = self.subscriptions.get(remote).copied() else {
            return;
        };
        if self.session.answers(key) {
            let body = json!({ "request": "start" });
            self.session.message(key, body, Some(answer), Ask::Answer);
        }
    }

    /// An answer to what a subscription has asked for.
    pub(super) fn subscription_goes_on(&mut self, ask: Ask, key: HandleKey, answer: Result<Event, Refusal>) {
        let Some(remote) = self.remote(key) else {
            return;
        };
        match (ask, answer) {
            (Ask::Attach, Ok(_)) => {
                let body = self.subscription(&remote);
                self.session.message(key, body, None, Ask::Subscribe);
            }
            (
                Ask::Subscribe | Ask::Offer,
                Ok(Event {
                    jsep: Some(offer), ..
                }),
            ) => {
                self.session.described(key, offer);
            }
            (Ask::Subscribe, Ok(_)) => {
                self.subscription_ended(key, "Janus has made no offer".to_owned());
            }
            // While another offer of Janus waits for its answer, this one follows later by itself.
            (Ask::Offer, Ok(_)) => {}
            (Ask::Attach | Ask::Subscribe | Ask::Offer | Ask::Answer, Err(refusal)) => {
                self.subscription_ended(key, refusal.code);
            }
            _ => {}
        }
    }

    fn subscription(&self, remote: &str) -> Value {
        let feed = match remote.parse::<u64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(remote),
        };
        let mut body = self.body("join");
        body["ptype"] = "subscriber".into();
        body["streams"] = json!([{ "feed": feed }]);
        // Janus refuses a `null`.
        if let Some(id) = self.private_id {
            body["private_id"] = id.into();
        }
        body
    }

    /// What the plugin says of a subscription by itself: an offer, where its streams have changed.
    pub(super) fn subscription_event(&mut self, key: HandleKey, event: Event) {
        let Event { data, jsep } = event;
        self.session.name(data["videoroom"].as_str().unwrap_or_default());
        let streams = data["streams"].as_array();
        // Of one that has ended the room tells, too.
        let has_active = streams.is_none_or(|list| list.iter().any(|stream| stream["active"] != false));
        if let Some(offer) = jsep
            && has_active
        {
            self.session.described(key, offer);
        }
    }

    /// The connection of a handle has ended, or will not be.
    pub(super) fn subscription_ended(&mut self, key: HandleKey, reason: String) {
        let Some(remote) = self.remote(key) else {
            return;
        };
        self.unsubscribe(&remote);
        self.ended(remote, reason);
    }

    fn remote(&self, key: HandleKey) -> Option<String> {
        let mut all = self.subscriptions.iter();
        let (remote, _) = all.find(|(_, handle)| **handle == key)?;
        Some(remote.clone())
    }
}

/// An offer without one is a connection of its own.
fn certificate_of(offer: &Description) -> String {
    offer.dtls_fingerprint().unwrap_or(&offer.sdp).to_owned()
}
