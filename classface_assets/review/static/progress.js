// The progress of an update: pushed by the server while the page is visible, also after the server was restarted.

import { $, make } from "./dom.js";
import { gettext } from "./texts.js";

const RECONNECT_MS = 3000;
const SILENT_MS = 5000; // a stream ends every minute, and the browser connects again at once
const live = $("[data-live]");
let source = null;
let timer = null;
let waiting = null;

function connect() {
  clearTimeout(timer);
  if (source || document.hidden) return;
  source = new EventSource("/update/events");
  source.addEventListener("message", (event) => show(JSON.parse(event.data)));
  source.addEventListener("open", () => {
    clearTimeout(waiting);
    note("");
  });
  source.addEventListener("error", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => note(gettext("The server does not answer. The update goes on without it.")), SILENT_MS);
    if (source?.readyState !== EventSource.CLOSED) return;
    disconnect(); // an answer that is no stream: the server starts, or the login has ended
    timer = setTimeout(connect, RECONNECT_MS);
  });
}

function disconnect() {
  source?.close();
  source = null;
}

// A hidden page holds no connection: browsers allow few of them to one server.
function follow() {
  if (document.hidden) disconnect();
  else connect();
}

function note(text) {
  const line = $("[data-connection]");
  if (line && line.textContent !== text) line.textContent = text;
}

function show(update) {
  if (!update) return;
  const strip = $("[data-update-text]");
  if (strip) strip.textContent = update.headline;
  if (!update.running && live.dataset.state !== update.state) {
    // What comes next depends on how it ended. The strip of another page is replaced in place.
    disconnect();
    location.reload();
    return;
  }
  live.dataset.state = update.state;
  for (const headline of document.querySelectorAll("[data-headline]")) headline.textContent = update.headline;
  for (const bar of document.querySelectorAll("[data-bar]")) {
    bar.hidden = !update.running;
    if (update.percent === null) bar.removeAttribute("value");
    else bar.value = update.percent;
  }
  $("[data-facts]")?.replaceChildren(...update.facts.map((fact) => make("li", { textContent: fact })));
  const problems = $("[data-problems]");
  if (problems) {
    problems.hidden = update.problems.length === 0;
    $("ul", problems).replaceChildren(
      ...update.problems.map((problem) => make("li", {}, make("bdi", { textContent: problem }))),
    );
  }
}

export function followUpdate() {
  if (!live) return;
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", disconnect);
  connect();
}
