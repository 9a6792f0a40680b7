// The membership of one room, over the dashboard's protocol (docs/PROTOCOL.md), in both relay modes.

import { Link } from "./link.js";

const ROOMS = "webrtc-dashboard-rooms";
const SIGNALING = "webrtc-signaling";
const CHAT = "webrtc-dashboard-chat";
const JOIN_WITHIN_MS = 10000;
const PING_EVERY_MS = 15000;
const PONG_WITHIN_MS = 10000;
const RECONNECT_MIN_MS = 1000;
const RECONNECT_MAX_MS = 10000;
const TAKEN_OVER = 4001;
const KEY = "rtcstorm-room";

export const randomId = (prefix) =>
  prefix + [...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(36).padStart(2, "0")).join("").slice(0, 10);

// What a reload keeps: this tab's user id, and the membership that it comes back to.
export const memory = {
  read() {
    try { return JSON.parse(sessionStorage.getItem(KEY)) ?? {}; } catch { return {}; }
  },
  write(change) {
    try { sessionStorage.setItem(KEY, JSON.stringify({ ...this.read(), ...change })); } catch { /* then a reload is a new member */ }
  },
};

const REASONS = {
  DUPLICATE_USERNAME: "Somebody in this room has that name already. Choose another one.",
  DUPLICATE_USER_ID: "You are in this room in another tab.",
  "room-full": "The room is full.",
  "room-not-found": "There is no such room.",
  "rate-limited": "The server takes no more frames from you for the moment.",
  "limit-reached": "The server has no place for another room.",
};

export class Room {
  // `tell` has: changed(), joined(), refused(message), ended(message), message(entry), note(text), trouble(message).
  constructor({ roomId, name, tell }) {
    Object.assign(this, { roomId, name, tell });
    const known = memory.read();
    this.userId = known.userId ?? randomId("user-");
    this.token = known.roomId === roomId ? known.token : undefined;
    this.sender = randomId("tab-");
    memory.write({ userId: this.userId });
    this.members = new Map();     // user id → { name, link }
    this.state = "joining";       // joining, in, away, out
    this.attempts = 0;
    this.iceServers = [];
    this.deployed = false;
  }

  async enter() {
    try {
      const [config, env] = await Promise.all(["api/config", "api/env"].map(async (path) => {
        const answer = await fetch(path);
        if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
        return answer.json();
      }));
      this.iceServers = config.STUN_SERVERS ?? [];
      this.deployed = env.RELAY_MODE === "deployed";
    } catch {
      return this.end("refused", "The server does not answer.");
    }
    this.deadline = setTimeout(() => this.end("refused", "The server did not let you in in time."), JOIN_WITHIN_MS);
    this.open();
    return undefined;
  }

  // ---- the socket

  open() {
    const url = new URL("ws/", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = "";
    const socket = new WebSocket(url);
    this.socket = socket;
    const current = (handle) => (event) => { if (this.socket === socket && this.state !== "out") handle(event); };
    socket.onopen = current(() => {
      this.attempts = 0;
      for (const channel of [ROOMS, SIGNALING, CHAT]) this.frame({ type: "subscribe", channel });
      this.join();
      this.pinging = setInterval(() => this.ping(), PING_EVERY_MS);
    });
    socket.onmessage = current(({ data }) => this.read(data));
    socket.onclose = current(({ code }) => this.lost(code));
  }

  ping() {
    this.frame({ type: "ping" });
    clearTimeout(this.pong);
    const socket = this.socket;
    this.pong = setTimeout(() => { if (this.socket === socket) { socket.close(); this.lost(0); } }, PONG_WITHIN_MS);
  }

  lost(code) {
    clearInterval(this.pinging);
    clearTimeout(this.pong);
    this.socket = null;
    if (code === TAKEN_OVER) return this.end("ended", "You have joined this room in another tab.");
    if (this.state === "in") {
      this.state = "away";
      this.tell.changed();
    }
    const wait = Math.min(RECONNECT_MIN_MS * 2 ** this.attempts, RECONNECT_MAX_MS);
    this.attempts = Math.min(this.attempts + 1, 10);
    this.reopening = setTimeout(() => this.open(), wait * (0.8 + 0.2 * Math.random()));
    return undefined;
  }

  frame(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  send(type, channel, data) {
    this.frame({ type, data: { roomId: this.roomId, ...data }, timestamp: Date.now(), sender: this.sender, channel });
  }

  // ---- in and out

  join() {
    const { roomId, userId, name: userName, token } = this;
    if (this.deployed) {
      // Its registry reads flat frames, and nobody else does; other clients read enveloped ones.
      this.joinRegistry();
    }
    const existingParticipants = [...this.members].map(([id, { name }]) => ({ id, name }));
    this.send("user-joined-room", ROOMS, { userId, userName, existingParticipants, create: true, maxParticipants: 20, token });
  }

  async joinRegistry() {
    const { roomId, userId, name } = this;
    let there = [];
    try { there = (await (await fetch("api/rooms")).json()).rooms; } catch { /* the join says what is wrong */ }
    const flat = there.some((room) => room.id === roomId)
      ? { type: "user-joined-room", userId, userName: name }
      : { type: "create-room", roomName: roomId, hostId: userId, hostName: name };
    this.frame({ ...flat, roomId, channel: ROOMS });
  }

  leave() {
    const { roomId, userId } = this;
    this.send("user-left-room", ROOMS, { userId });
    if (this.deployed) this.frame({ type: "user-left-room", channel: ROOMS, roomId, userId });
    this.end("ended", "");
  }

  end(how, message) {
    if (this.state === "out") return;
    this.state = "out";
    for (const timer of [this.deadline, this.reopening, this.pong]) clearTimeout(timer);
    clearInterval(this.pinging);
    this.socket?.close();
    for (const { link } of this.members.values()) link?.close();
    this.members.clear();
    memory.write({ token: undefined, roomId: undefined });
    this.tell[how](message);
  }

  welcomed(participants, token, resumed) {
    clearTimeout(this.deadline);
    const was = this.state;
    this.state = "in";
    this.token = token;
    memory.write({ token, roomId: this.roomId, name: this.name });
    const present = new Map(participants.filter(({ id }) => id !== this.userId).map(({ id, name }) => [id, name]));
    for (const id of [...this.members.keys()]) if (!present.has(id)) this.gone(id, "closed");
    for (const [id, name] of present) {
      const known = this.members.get(id);
      if (known?.link) {
        known.name = name;
        known.leaving = false;
        known.link.signalingReturned();
      } else {
        this.meet(id, name);
        // A page that was loaded again took over what it was before: nobody is told that it joined.
        if (resumed) this.members.get(id).link.begin();
        else this.members.get(id).link.expect();
      }
    }
    if (was === "joining") this.tell.joined();
    this.tell.changed();
  }

  meet(id, name) {
    const link = new Link({
      me: this.userId, remote: id, iceServers: this.iceServers,
      signal: (type, payload) => this.send(type, SIGNALING, { fromUserId: this.userId, toUserId: id, ...payload }),
      changed: () => this.tell.changed(),
      heard: (text) => this.heard(id, text),
      opened: () => {
        const participants = [{ id: this.userId, name: this.name, isHost: false, joinedAt: new Date().toISOString() }];
        this.members.get(id)?.link?.send(JSON.stringify({ type: "participant-list", participants }));
      },
    });
    this.members.set(id, { name, link });
    return link;
  }

  gone(id, reason) {
    const member = this.members.get(id);
    if (!member) return;
    // Whose socket closed may still be talking to us, and may come back.
    if (reason === "closed" && member.link?.isWell) {
      member.leaving = true;
      return this.tell.changed();
    }
    member.link?.close();
    this.members.delete(id);
    this.tell.note(`${member.name} left`);
    return this.tell.changed();
  }

  // ---- what comes in

  read(text) {
    let frame;
    try { frame = JSON.parse(text); } catch { return; }
    if (!frame || typeof frame !== "object" || frame.sender === this.sender) return;
    const body = frame.data && typeof frame.data === "object" ? frame.data : frame;
    if (body.roomId !== undefined && body.roomId !== this.roomId) return;
    switch (frame.type) {
      case "pong": return clearTimeout(this.pong);
      case "existing-participants": return this.welcomed(body.participants ?? [], body.token, body.resumed === true);
      case "server-room-list": return this.listed(body.rooms ?? []);
      case "user-joined-room":
      case "user-rejoined-room": return this.memberJoined(body);
      case "user-left-room":
      case "room-removed": {
        if (!body.userId || body.userId === this.userId) {
          if (body.reason === "evicted" || frame.type === "room-removed") this.end("ended", "The room was closed.");
          return undefined;
        }
        return this.gone(body.userId, body.reason);
      }
      case "room-status": return this.roster(body.participants ?? []);
      case "join-rejected": return body.userId === this.userId ? this.refused(body) : undefined;
      case "error": return this.serverError(body);
      case "webrtc-offer":
      case "webrtc-answer":
      case "webrtc-ice": return this.signaled(frame.type, body);
      default: return undefined;
    }
  }

  refused({ reason, message }) {
    if (reason === "DUPLICATE_USER_ID" && !this.isRenamed) {
      // A tab that was duplicated has the id of the other one.
      this.isRenamed = true;
      this.userId = randomId("user-");
      this.token = undefined;
      memory.write({ userId: this.userId, token: undefined });
      return this.join();
    }
    return this.end(this.state === "joining" ? "refused" : "ended", REASONS[reason] ?? message ?? reason);
  }

  serverError({ reason, message, request }) {
    if (request === "user-joined-room") return this.refused({ reason, message });
    // Who has just left is still signaled to by everybody: that is no trouble.
    if (reason !== "not-a-member") this.tell.trouble(REASONS[reason] ?? message ?? reason);
    return undefined;
  }

  memberJoined({ userId, userName }) {
    if (!userId || userId === this.userId || this.state === "joining") return undefined;
    const back = this.members.get(userId);
    if (back?.leaving && back.link.isWell) {
      // The server had forgotten it, and we talk all the same. A new client of that name will offer itself.
      back.leaving = false;
      return this.tell.changed();
    }
    back?.link?.close();
    this.meet(userId, userName ?? userId).begin();
    this.tell.note(back ? `${userName} is back` : `${userName} joined`);
    return this.tell.changed();
  }

  // The whole roster: names may have changed.
  roster(participants) {
    for (const { id, name } of participants) {
      const member = this.members.get(id);
      if (member) member.name = name;
    }
    this.tell.changed();
  }

  // `deployed` confirms no join: being listed is the word for it.
  listed(rooms) {
    const room = this.deployed && rooms.find(({ id }) => id === this.roomId);
    const me = room && room.participants.some(({ id }) => id === this.userId);
    if (!me) return;
    if (this.state !== "in") this.welcomed(room.participants, undefined, false);
    for (const id of [...this.members.keys()]) {
      const member = this.members.get(id);
      const there = room.participants.some((one) => one.id === id);
      if (there) member.listed = true;
      else if (member.listed) this.gone(id, "closed");
    }
  }

  signaled(type, { fromUserId, toUserId, offer, answer, candidate }) {
    if (toUserId !== this.userId) return;
    if (this.deployed && type === "webrtc-offer" && fromUserId && !this.members.has(fromUserId)) this.offeredBy(fromUserId);
    if (this.state === "joining") return;
    const link = this.members.get(fromUserId)?.link;
    if (!link) return;
    if (type === "webrtc-ice" && candidate) link.candidate(candidate);
    if (type === "webrtc-offer" && offer?.sdp) link.description({ type: "offer", sdp: offer.sdp });
    if (type === "webrtc-answer" && answer?.sdp) link.description({ type: "answer", sdp: answer.sdp });
  }

  // Where nobody confirms a join, an offer does: only who is there makes one, listed or not.
  offeredBy(id) {
    if (this.state === "joining") this.welcomed([], undefined, false);
    if (this.state !== "in") return;
    this.meet(id, id);
    this.tell.changed();
  }

  // ---- the chat

  heard(id, text) {
    let message;
    try { message = JSON.parse(text); } catch { return; }
    if (message?.type === "participant-list" && Array.isArray(message.participants)) return this.roster(message.participants.filter((one) => one?.id === id));
    if (message?.type !== "chat-message" || !message.data) return;
    const { authorName, content, timestamp } = message.data;
    // What peers prove to each other that data flows with has no content.
    if (typeof content !== "string" || content === "") return;
    const name = this.members.get(id)?.name ?? authorName;
    this.tell.message({ id, name: String(name), content, at: Number(timestamp) || Date.now() });
  }

  // To how many it went out, of how many.
  say(content) {
    const data = {
      id: randomId(""), roomId: this.roomId, authorId: this.userId, authorName: this.name, content, type: "text", timestamp: Date.now(),
    };
    const text = JSON.stringify({ type: "chat-message", roomId: this.roomId, data });
    let reached = 0;
    for (const { link } of this.members.values()) if (link.send(text)) reached += 1;
    this.tell.message({ id: this.userId, name: this.name, content, at: data.timestamp, mine: true, reached, of: this.members.size });
  }
}
