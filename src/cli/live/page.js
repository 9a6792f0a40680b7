"use strict";
// Keeps the page up to date: what has changed is put in, and what the reader has opened, scrolled or selected stays.

const at = (id) => document.getElementById(id);
const charts = at("charts");
const pause = at("pause");
// A connection that is lost so many times in a row, without a word between, is not tried again.
const MAX_TRIES = 5;
let paused = false;
let waiting = null;
let newest = null;
let tries = 0;

// Whether one can be made like the other: elements of the same kind in the same part.
function alike(one, other) {
  const part = (node) => (node.getAttribute("class") || "").split(" ")[0];
  return one.nodeName === other.nodeName
    && (one.nodeType !== Node.ELEMENT_NODE || (one.id === other.id && part(one) === part(other)));
}

// Makes `old` like `fresh`, and touches only what differs: what is the same keeps focus, scrolling and selection.
function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    // Whether something is open is the reader's choice.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  patchChildren(old, fresh);
}

function patchChildren(old, fresh) {
  let next = old.firstChild;
  const removeUpTo = (end) => {
    while (next !== end) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
  };
  for (const node of [...fresh.childNodes]) {
    let match = next;
    while (match && !alike(match, node)) match = match.nextSibling;
    if (match) {
      removeUpTo(match);
      next = match.nextSibling;
      patch(match, node);
    } else {
      old.insertBefore(node, next);
    }
  }
  removeUpTo(null);
}

function show(html) {
  const next = document.createElement("template");
  next.innerHTML = html;
  patchChildren(charts, next.content);
}

// Whoever is selecting text wants to copy it.
function busy() {
  const selection = getSelection();
  return paused || (selection && !selection.isCollapsed && charts.contains(selection.anchorNode));
}

function put(html) {
  if (html === newest) return;
  if (busy()) {
    waiting = html;
    return;
  }
  waiting = null;
  newest = html;
  show(html);
}

function text(id, now) {
  if (at(id).textContent !== now) at(id).textContent = now;
}

function list(id, items) {
  const next = items.map((item) => Object.assign(document.createElement("li"), { textContent: item }));
  at(id).replaceChildren(...next);
}

function head(told) {
  text("name", told.name);
  text("about", told.about);
  text("verdict", told.verdict);
  at("verdict").dataset.verdict = told.verdict;
  if (!paused) text("line", told.line);
  list("reasons", told.reasons);
  list("ended", told.ended.map(([name, verdict]) => `${name}: ${verdict}`));
  document.title = `${told.verdict} ${told.name}: rtcstorm`;
}

function resume() {
  if (waiting !== null) put(waiting);
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
  resume();
});
document.addEventListener("selectionchange", resume);

const events = new EventSource("/events");
events.addEventListener("open", () => text("contact", ""));
events.addEventListener("head", (event) => {
  tries = 0;
  head(JSON.parse(event.data));
});
events.addEventListener("charts", (event) => put(event.data));
events.addEventListener("over", (event) => {
  events.close();
  paused = false;
  getSelection()?.removeAllRanges();
  resume();
  pause.hidden = true;
  document.body.dataset.over = "";
  const told = JSON.parse(event.data);
  head(told);
  text("contact", `${told.over} This page stays as it is.`);
});
events.addEventListener("error", () => {
  tries += 1;
  const last = tries >= MAX_TRIES || events.readyState === EventSource.CLOSED;
  if (last) events.close();
  text("contact", last
    ? "The run does not answer any more: it was ended, or cannot be reached. What is shown is the last that it told; load the page again to try once more."
    : "No contact with the run. Trying again…");
});
pause.hidden = false;
