"use strict";
// Keeps the page up to date: what has changed is put in, and what the reader has opened, scrolled or selected stays.

const at = (id) => document.getElementById(id);
const main = at("charts");
const pause = at("pause");
// A connection that is lost so many times in a row, without a word between, is not tried again.
const MAX_TRIES = 5;
let paused = false;
let waiting = null;
let newest = null;
// What each child of `main` was made of.
let shown = [];
let tries = 0;

// Where an element is: its way down from `main`, by places.
function place(element) {
  const way = [];
  for (; element !== main; element = element.parentElement) {
    if (!element) return null;
    way.unshift([...element.parentElement.children].indexOf(element));
  }
  return way;
}

const found = (way) => way && way.reduce((element, index) => element && element.children[index], main);

// What is opened and closed is known by its id, or by what it says and how many said the same before it.
function named(details) {
  const seen = new Map();
  return details.map((one) => {
    const text = one.id || (one.querySelector("summary") || one).textContent.replace(/\d+/g, "#");
    seen.set(text, (seen.get(text) || 0) + 1);
    return text + "\n" + seen.get(text);
  });
}

function opened() {
  const all = [...main.querySelectorAll("details")];
  return new Map(named(all).map((name, index) => [name, all[index].open]));
}

function show(html) {
  const focused = main.contains(document.activeElement) ? place(document.activeElement) : null;
  const open = opened();
  const scrolled = [...main.querySelectorAll("*")]
    .filter((element) => element.scrollLeft || element.scrollTop)
    .map((element) => [place(element), element.scrollLeft, element.scrollTop]);
  const next = document.createElement("template");
  next.innerHTML = html;
  const fresh = [...next.content.children];
  const made = fresh.map((element) => element.outerHTML);
  const old = [...main.children];
  if (fresh.length === old.length) {
    fresh.forEach((element, index) => {
      if (made[index] !== shown[index]) old[index].replaceWith(element);
    });
  } else {
    main.replaceChildren(...fresh);
  }
  shown = made;
  const all = [...main.querySelectorAll("details")];
  named(all).forEach((name, index) => {
    if (open.has(name)) all[index].open = open.get(name);
  });
  for (const [way, left, top] of scrolled) {
    const element = found(way);
    if (element) element.scrollTo({ left, top, behavior: "instant" });
  }
  const again = focused && found(focused);
  if (again && again !== document.activeElement) again.focus({ preventScroll: true });
}

// Whoever is selecting text wants to copy it.
function busy() {
  const selection = getSelection();
  return paused || (selection && !selection.isCollapsed && main.contains(selection.anchorNode));
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
  text("line", told.line);
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
  text("contact", JSON.parse(event.data).over + " This page stays as it is.");
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
