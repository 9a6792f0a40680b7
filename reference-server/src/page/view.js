// What a person sees of a room, and does in it.

import { Room, memory, randomId } from "./room.js";

const MESSAGES_MAX = 500;
const CONTENT_MAX = 4000;   // characters of a message that are shown
const LOOK_EVERY_MS = 1000;
const DRAW_AFTER_MS = 30;

const part = Object.fromEntries([...document.querySelectorAll("[id]")].map((one) => [one.id, one]));
const query = new URLSearchParams(location.search);
let room = null;
let drawing = 0;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function notice(text) {
  part.notice.textContent = text ?? "";
  part.notice.hidden = !text;
}

// ---- members

const WORDS = {
  new: ["busy", "waiting"], connecting: ["busy", "connecting"], connected: ["busy", "opening"],
  disconnected: ["lost", "interrupted"], failed: ["lost", "failed"], closed: ["lost", "closed"],
};

function stateOf(link) {
  if (link.isGivenUp) return ["lost", "unreachable"];
  if (link.isWell) return ["open", "connected"];
  return WORDS[link.pc.connectionState] ?? ["busy", link.pc.connectionState];
}

function fact(list, name, text) {
  list.append(element("dt", "", name), element("dd", "", text));
}

function memberItem(id, { name, link, leaving }) {
  const [state, word] = stateOf(link);
  const item = element("li");
  item.dataset.id = id;
  item.dataset.name = name;
  item.dataset.state = state;
  const top = element("div", "top");
  const mark = element("span", "state", leaving ? `${word}, away from the server` : word);
  mark.dataset.state = state;
  top.append(element("span", "name", name), mark);
  const { rtt, local, remote } = link.facts;
  const facts = element("dl");
  fact(facts, "ICE", link.pc.iceConnectionState);
  fact(facts, "RTT", rtt === undefined ? "–" : `${(rtt * 1000).toFixed(rtt < 0.01 ? 1 : 0)} ms`);
  fact(facts, "path", local ? `${local} → ${remote}` : "–");
  fact(facts, "channel", link.channel?.readyState ?? "none");
  item.append(top, facts);
  return item;
}

function draw() {
  drawing = 0;
  if (!room) return;
  const names = [...room.members].sort(([, a], [, b]) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  part.members.replaceChildren(...names.map(([id, member]) => memberItem(id, member)));
  part.count.textContent = String(room.members.size + 1);
  part.alone.hidden = room.members.size > 0;
  const open = names.filter(([, { link }]) => link.isWell).length;
  const [state, word] = {
    joining: ["busy", "joining …"], away: ["busy", "server away, reconnecting …"],
    in: ["in", names.length ? `${open} of ${names.length} connected` : "in the room"],
  }[room.state] ?? ["away", "not joined"];
  part.status.dataset.state = state;
  // Said anew only if it is new.
  if (part.status.textContent !== word) part.status.textContent = word;
}

// ---- messages

function append(item) {
  const list = part.messages;
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(item);
  while (list.children.length > MESSAGES_MAX) list.firstChild.remove();
  part.silence.hidden = true;
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function message({ id, name, content, at, mine, reached, of }) {
  const item = element("li", mine ? "mine" : "");
  item.dataset.author = id;
  const who = element("div", "who");
  const time = element("time", "", new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  who.append(element("span", "", mine ? "You" : name), time);
  const shown = content.length > CONTENT_MAX ? `${content.slice(0, CONTENT_MAX)}… (${content.length} characters)` : content;
  item.append(who, element("div", "what", shown));
  if (mine && reached < of) item.append(element("div", "who", of === 1 ? "not connected yet: it reached nobody" : `reached ${reached} of ${of}`));
  append(item);
}

// ---- in and out

function outside(text) {
  room = null;
  notice(text);
  part.join.hidden = false;
  part.enter.disabled = false;
  part.talk.hidden = part.people.hidden = part.leave.hidden = true;
  part["room-name"].textContent = "";
  part.status.dataset.state = "away";
  part.status.textContent = "not joined";
  part.name.focus();
}

function enter() {
  const [roomId, name] = [part.room.value.trim(), part.name.value.trim()];
  if (!roomId || !name || room) return;
  notice("");
  part.enter.disabled = true;
  room = new Room({
    roomId, name,
    tell: {
      // Not in a frame of animation: a tab that is hidden has none, and may be looked at any moment.
      changed() { drawing ||= setTimeout(draw, DRAW_AFTER_MS); },
      joined() {
        part.join.hidden = true;
        part.talk.hidden = part.people.hidden = part.leave.hidden = false;
        part["room-name"].textContent = roomId;
        document.title = `${roomId} – Room`;
        history.replaceState(null, "", `?${new URLSearchParams({ room: roomId, name })}`);
        part.messages.replaceChildren();
        part.silence.hidden = false;
        part.text.focus();
      },
      refused: outside,
      ended: outside,
      message,
      note(text) { append(element("li", "note", text)); },
      trouble: notice,
    },
  });
  draw();
  room.enter();
}

part.join.addEventListener("submit", (event) => {
  event.preventDefault();
  enter();
});
part.say.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = part.text.value.trim();
  if (!text || !room) return;
  room.say(text);
  part.text.value = "";
});
part.leave.addEventListener("click", () => room?.leave());

setInterval(() => {
  for (const { link } of room?.members.values() ?? []) link.look().catch(() => {});
}, LOOK_EVERY_MS);

const known = memory.read();
part.room.value = query.get("room") ?? known.roomId ?? "lobby";
part.name.value = query.get("name") ?? known.name ?? randomId("guest-").slice(0, 10);
if (known.token && known.roomId === part.room.value) enter();
else part.name.focus();
