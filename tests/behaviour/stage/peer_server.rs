//! PeerJS's server in memory: as npm's `peer` 1.0.2 registers ids, passes messages on, and keeps those for who is not
//! there.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use reference_server::room::ClientId;
use rtcstorm::base::Instant;
use serde_json::{Value, json};

/// How long messages wait for who is not there.
const EXPIRES_AFTER: Duration = Duration::from_secs(5);

/// What comes of it for a socket: a frame, or its end.
pub type Said = (ClientId, Option<String>);

#[derive(Default)]
pub struct PeerServer {
    /// Token and socket of each id.
    clients: BTreeMap<String, (String, ClientId)>,
    ids: BTreeMap<ClientId, String>,
    queues: BTreeMap<String, (Instant, Vec<Value>)>,
    said: VecDeque<Said>,
}

impl PeerServer {
    /// A socket is open for that id.
    pub fn connect(&mut self, socket: ClientId, id: &str, token: &str) {
        match self.clients.get_mut(id) {
            Some((other, _)) if *other != token => {
                let taken = json!({ "type": "ID-TAKEN", "payload": { "msg": "ID is taken" } });
                self.said.push_back((socket, Some(taken.to_string())));
                self.said.push_back((socket, None));
                return;
            }
            // Nothing is said: the other socket's client goes on.
            Some((_, of)) => *of = socket,
            None => {
                self.clients.insert(id.to_owned(), (token.to_owned(), socket));
                let open = json!({ "type": "OPEN" });
                self.said.push_back((socket, Some(open.to_string())));
            }
        }
        self.ids.insert(socket, id.to_owned());
        for message in self
            .queues
            .remove(id)
            .into_iter()
            .flat_map(|(_, messages)| messages)
        {
            self.said.push_back((socket, Some(message.to_string())));
        }
    }

    pub fn disconnect(&mut self, socket: ClientId) {
        if let Some(id) = self.ids.remove(&socket)
            && self.clients.get(&id).is_some_and(|(_, of)| *of == socket)
        {
            self.clients.remove(&id);
        }
    }

    pub fn frame(&mut self, socket: ClientId, text: &str, now: Instant) {
        let (Some(id), Ok(mut message)) = (self.ids.get(&socket), serde_json::from_str::<Value>(text)) else {
            return;
        };
        if message["type"] == "HEARTBEAT" {
            return;
        }
        message["src"] = id.as_str().into();
        let to = message["dst"]
            .as_str()
            .expect("clients address what they send")
            .to_owned();
        match self.clients.get(&to) {
            Some((_, of)) => self.said.push_back((*of, Some(message.to_string()))),
            None => {
                let queue = self.queues.entry(to).or_insert((now, Vec::new()));
                queue.1.push(message);
            }
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.queues
            .values()
            .map(|(since, _)| *since + EXPIRES_AFTER)
            .min()
    }

    /// Tells whoever has sent something to somebody who has not come.
    pub fn expire(&mut self, now: Instant) {
        let is_due = |_: &String, (since, _): &mut (Instant, Vec<Value>)| now.since(*since) >= EXPIRES_AFTER;
        for (absent, (_, messages)) in self.queues.extract_if(.., is_due).collect::<Vec<_>>() {
            let mut told: Vec<&str> = messages
                .iter()
                .filter_map(|message| message["src"].as_str())
                .collect();
            told.sort_unstable();
            told.dedup();
            for to in told {
                if let Some((_, of)) = self.clients.get(to) {
                    let expired = json!({ "type": "EXPIRE", "src": absent, "dst": to });
                    self.said.push_back((*of, Some(expired.to_string())));
                }
            }
        }
    }

    pub fn poll(&mut self) -> Option<Said> {
        self.said.pop_front()
    }
}
