// What makes the pages quick: changes without a new page, names to complete from, keys. Every form works without it.
"use strict";

const token = document.querySelector("meta[name=csrf-token]").content;
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const TOAST_MS = 9000;

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const chip = (face, size) =>
  make("img", { src: `/api/v1/faces/${encodeURIComponent(face)}/chip`, width: size, height: size, alt: "" });

// ---- asking the server -------------------------------------------------------------------------------------------

async function send(url, body) {
  try {
    const headers = { Accept: "application/json", "X-CSRF-Token": token };
    const answer = await fetch(url, { method: "POST", body, headers, credentials: "same-origin" });
    return { ok: answer.ok, told: await answer.json().catch(() => ({})) };
  } catch {
    return { ok: false, told: { detail: "The server does not answer; nothing was changed." } };
  }
}

function toast({ message, notes = [], undo = [], bad = false }) {
  const box = make("div", { className: bad ? "toast bad" : "toast" }, make("p", { textContent: message }));
  if (bad) box.setAttribute("role", "alert");
  for (const note of notes) box.append(make("p", { className: "note", textContent: note }));
  if (undo.length) {
    const button = make("button", { type: "button", textContent: message.startsWith("Undone") ? "Redo" : "Undo" });
    button.addEventListener("click", () => undoing(undo));
    box.append(button);
  }
  for (const old of $$("#toasts .toast:not(.bad)")) old.remove(); // Ctrl+Z still takes back what they told
  $("#toasts").append(box);
  fade(box);
}

function fade(box) {
  const wait = () => setTimeout(() => (box.matches(":hover, :focus-within") ? wait() : box.remove()), TOAST_MS);
  wait();
}

async function undoing(events = []) {
  const { ok, told } = await send("/undo", new URLSearchParams({ events: events.join(",") }));
  if (ok) again(told);
  else toast({ message: told.detail, bad: true });
}

// The page anew, or another one, with what was done told there.
function again(told, path = null) {
  sessionStorage.setItem("toast", JSON.stringify({ message: told.message, notes: told.notes, undo: told.undo }));
  const at = $$("[data-cards] .card").indexOf(active());
  if (!path) sessionStorage.setItem("at", JSON.stringify([location.pathname, active()?.dataset.cluster ?? null, at]));
  if (path) location.assign(path);
  else location.reload();
}

function count(counts = {}) {
  for (const [name, number] of Object.entries(counts)) {
    const shown = $(`[data-count=${name}]`);
    if (shown) shown.textContent = number.toLocaleString("en");
  }
}

// ---- forms -------------------------------------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = event.submitter;
  const then = button?.dataset.then ?? form.dataset.then;
  if (!then || form.getAttribute("method") !== "post") return;
  event.preventDefault();
  const url = button?.getAttribute("formaction") ?? form.getAttribute("action");
  const body = new URLSearchParams(new FormData(form, button));
  if (url.endsWith("/name") && !(body.get("name") ?? "").trim()) {
    const card = form.closest("[data-cards=unknown] .card");
    if (card) skip(card);
    else $("input[name=name]", form)?.focus();
    return;
  }
  change(form, url, body, then);
});

async function change(form, url, body, then) {
  const card = then === "remove" ? form.closest(".card") : null;
  const typing = document.activeElement?.matches("[data-names]");
  form.classList.add("busy");
  if (card) {
    card.classList.add("leaving");
    activate(after(card), typing);
  }
  const { ok, told } = await send(url, body);
  form.classList.remove("busy");
  if (ok && !told.near) {
    count(told.counts);
    if (told.go) again(told, told.go);
    else if (told.reload || told.whole === false || then === "reload") again(told);
    else if (then.startsWith("go:")) again(told, then.slice(3));
    else leave(card, told);
    return;
  }
  if (card) card.classList.remove("leaving");
  if (told.near) ask(form, url, body, then, told);
  else {
    toast({ message: told.detail ?? "That did not work.", bad: true });
    if (card) activate(card, typing);
  }
}

function leave(card, told) {
  card?.remove();
  for (const left of $$("[data-left]")) {
    const less = left.dataset.left === "faces" ? Number(card?.dataset.size ?? 0) : 1;
    left.textContent = Math.max(0, Number(left.textContent.replaceAll(",", "")) - less).toLocaleString("en");
  }
  for (const stale of $$("[data-once]")) stale.remove();
  toast(told);
  if (cards().length === 0) again(told);
  else guessSoon();
}

// Somebody with nearly the same name is known: who is meant?
function ask(form, url, body, then, { near, name }) {
  $(".ask-name", form)?.remove();
  const box = make("div", { className: "ask-name", role: "group", "aria-label": "Did you mean" });
  box.append(make("p", {}, "Did you mean"));
  const answer = (text, given, face) => {
    const button = make("button", { type: "button" }, ...(face ? [chip(face, 28)] : []), make("bdi", { textContent: text }));
    button.addEventListener("click", () => {
      box.remove();
      $("[data-names]", form)?.focus(); // who types goes on typing, in the next card
      body.set("name", given);
      body.set("sure", "1");
      change(form, url, body, then);
    });
    box.append(button);
    return button;
  };
  const first = near.map((person) => answer(person.name, person.name, person.face))[0];
  answer(`No, ${name} is another person`, name, null);
  form.append(box);
  const card = form.closest(".card");
  if (card) activate(card);
  first.focus();
}

for (const form of $$("form[data-auto]")) form.addEventListener("change", () => form.requestSubmit());

document.addEventListener("click", (event) => {
  for (const menu of $$("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  const opener = event.target.closest("[data-open]");
  if (opener) $(`#${opener.dataset.open}`).showModal();
  const skipper = event.target.closest("[data-skip]");
  if (skipper) skip(skipper.closest(".card"));
});

// ---- names to complete from --------------------------------------------------------------------------------------

let asked = 0;
let list = null;
let waiting = 0;

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-names]")) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => complete(event.target), 90);
});

document.addEventListener("focusout", (event) => {
  if (event.target.matches?.("[data-names]")) closeList();
});

async function complete(input) {
  const q = input.value.trim();
  const number = ++asked;
  if (!q) return closeList();
  const answer = await fetch(`/names?q=${encodeURIComponent(q)}`, { credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok || number !== asked || document.activeElement !== input) return;
  openList(input, (await answer.json()).items, q);
}

function openList(input, items, q) {
  closeList();
  list = make("ul", { id: "names", className: "names-list", role: "listbox", "aria-label": "Known people" });
  for (const [i, item] of items.entries()) {
    const told = item.faces ? `${item.faces} ${item.faces === 1 ? "face" : "faces"}` : "not seen yet";
    const option = make("li", { id: `names-${i}`, role: "option", "aria-selected": "false" });
    option.append(item.face ? chip(item.face, 32) : make("span", { className: "no-face tiny" }));
    option.append(make("bdi", { textContent: item.name }), make("small", { textContent: told }));
    option.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      pick(input, item.name);
    });
    option.dataset.value = item.name;
    list.append(option);
  }
  if (!items.some((item) => item.name.toLowerCase() === q.toLowerCase())) {
    list.append(make("li", { className: "new", role: "presentation" }, "New: ", make("bdi", { textContent: q })));
  }
  input.closest(".combo").append(list);
  input.setAttribute("aria-expanded", "true");
}

function closeList() {
  clearTimeout(waiting);
  asked++;
  const input = list?.parentElement?.querySelector("[data-names]");
  input?.setAttribute("aria-expanded", "false");
  input?.removeAttribute("aria-activedescendant");
  list?.remove();
  list = null;
}

function pick(input, value) {
  input.value = value;
  closeList();
}

function choose(input, step) {
  const options = $$("[role=option]", list);
  if (!options.length) return;
  const old = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  const next = (old + step + options.length + (old < 0 && step < 0 ? 1 : 0)) % options.length;
  options.forEach((option, i) => option.setAttribute("aria-selected", String(i === next)));
  options[next].scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", options[next].id);
}

for (const input of $$("[data-names]")) {
  const about = { role: "combobox", "aria-expanded": "false", "aria-controls": "names", "aria-autocomplete": "list" };
  for (const [name, value] of Object.entries(about)) input.setAttribute(name, value);
}

// True where the key was for the box.
function keyInName(event) {
  const input = event.target;
  const selected = list && $("[aria-selected=true]", list);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && list) choose(input, step);
  else if (step && !input.value && input.closest("[data-cards=unknown]")) move(step, true);
  else if (event.key === "Tab" && list && !event.shiftKey && $("[role=option]", list)) {
    pick(input, (selected ?? $("[role=option]", list)).dataset.value);
  } else if (event.key === "Enter") {
    if (selected) pick(input, selected.dataset.value);
    closeList();
    input.form.requestSubmit($("[data-name]", input.form) ?? $("button:not([type=button])", input.form));
  } else if (event.key === "Escape") {
    if (list) closeList();
    else (input.closest(".card") ?? input).focus(), input.blur();
  } else return;
  event.preventDefault();
}

// ---- cards -------------------------------------------------------------------------------------------------------

const cards = () => $$("[data-cards] .card:not(.leaving)");
const active = () => $(".card.active");
const formOf = (card) => card.closest("form") ?? $("form", card);
const after = (card) => {
  const all = $$("[data-cards] .card").filter((each) => each === card || !each.classList.contains("leaving"));
  const at = all.indexOf(card);
  return all[at + 1] ?? all[at - 1] ?? null;
};

function mark(card) {
  for (const each of $$(".card.active")) each.classList.remove("active");
  card.classList.add("active");
}

function activate(card, inName = false) {
  if (!card) return;
  mark(card);
  const box = inName ? $("[data-names]", card) : null;
  (box ?? card).focus({ preventScroll: true });
  const place = card.getBoundingClientRect();
  if (place.top < 80 || place.bottom > innerHeight - 16) {
    scrollBy({ top: place.top - Math.max(80, (innerHeight - place.height) / 3) });
  }
}

function move(step, inName = false) {
  const all = cards();
  const at = all.indexOf(active());
  activate(all[Math.min(Math.max(at + step, 0), all.length - 1)], inName);
}

function skip(card) {
  if (!card) return;
  const next = after(card);
  const typing = document.activeElement?.matches("[data-names]");
  card.classList.add("skipped");
  if (card.dataset.cluster) remember(card.dataset.cluster);
  card.parentElement.append(card);
  activate(next === card ? card : next, typing);
}

function remember(cluster) {
  const skipped = JSON.parse(sessionStorage.getItem("skipped") ?? "[]");
  sessionStorage.setItem("skipped", JSON.stringify([...new Set([...skipped, cluster])].slice(-500)));
}

function face(step) {
  const boxes = $$("input[name=face]", active() ?? document);
  const at = boxes.indexOf(document.activeElement);
  boxes[Math.min(Math.max(at + step, 0), boxes.length - 1)]?.focus();
}

document.addEventListener("pointerdown", (event) => {
  const card = event.target.closest("[data-cards] .card");
  if (card) mark(card);
});

document.addEventListener("focusin", (event) => {
  const card = event.target.closest?.("[data-cards] .card");
  if (card) mark(card);
});

// Buttons say what they will do with the faces that were chosen.
document.addEventListener("change", (event) => {
  if (!event.target.matches("input[name=face]")) return;
  const form = event.target.form;
  const boxes = $$("input[name=face]", form);
  const chosen = boxes.filter((box) => box.checked).length;
  for (const button of $$("[data-some]", form)) {
    button.dataset.all ??= button.textContent;
    button.textContent = chosen ? `${button.dataset.some} (${chosen})` : button.dataset.all;
  }
  const told = $("[data-chosen]", form);
  if (told) told.textContent = chosen ? `${chosen} chosen` : "";
  const main = form.matches("[data-choose]") ? null : $("[data-name], [data-yes]", form);
  if (!main) return;
  main.dataset.all ??= main.textContent;
  const left = $(".tile.more", form) ? "others" : `other ${boxes.length - chosen}`;
  const verb = main.matches("[data-yes]") ? "Yes, the" : "Name the";
  main.textContent = chosen ? `${verb} ${left}` : main.dataset.all;
});

// ---- guesses -----------------------------------------------------------------------------------------------------

// What was just said tells of others too; asked for when whoever says it stops for a moment.
let guessing = 0;

function guessSoon() {
  clearTimeout(guessing);
  guessing = setTimeout(guess, 700);
}

async function guess() {
  const slots = new Map($$(".card[data-cluster]").map((card) => [card.dataset.cluster, card]));
  if (!slots.size || !$("[data-guess]")) return;
  const query = new URLSearchParams([...slots.keys()].slice(0, 100).map((id) => ["cluster", id]));
  const answer = await fetch(`/guesses?${query}`, { credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok) return;
  for (const [id, found] of Object.entries(await answer.json())) {
    const card = slots.get(id);
    const slot = $("[data-guess]", card);
    if (!slot || slot.textContent.startsWith(`${found.name}?`)) continue;
    const told = make("small", { textContent: `${Math.round(found.similarity * 100)} % alike` });
    const name = make("bdi", { textContent: `${found.name}?` });
    const button = make("button", { type: "button", className: "guess-button" }, chip(found.face, 28), name, told);
    button.setAttribute("aria-label", `Yes, this is ${found.name}`);
    button.addEventListener("click", () => {
      const form = formOf(card);
      $("[name=name]", form).value = found.name;
      form.requestSubmit($("[data-name]", form));
    });
    slot.replaceChildren(button);
  }
}

// ---- joining two groups ------------------------------------------------------------------------------------------

let joined = null;

async function join(card) {
  const id = card.dataset.cluster;
  if (!id) return;
  if (!joined || joined === id) {
    joined = id;
    for (const each of $$(".card.marked")) each.classList.remove("marked");
    card.classList.add("marked");
    return toast({ message: "Marked. Go to the group of the same person and press m there." });
  }
  const { ok, told } = await send(`/clusters/${encodeURIComponent(id)}/join`, new URLSearchParams({ other: joined }));
  if (ok) again(told);
  else toast({ message: told.detail, bad: true });
}

// ---- keys --------------------------------------------------------------------------------------------------------

const clicks = (selector) => () => active() && $(selector, formOf(active()))?.click();
const KEYS = {
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  l: () => face(1),
  ArrowRight: () => (cards().length ? face(1) : $("main [rel=next]")?.click()),
  h: () => face(-1),
  ArrowLeft: () => (cards().length ? face(-1) : $("main [rel=prev]")?.click()),
  x: () => (document.activeElement.matches("input[name=face]") ? document.activeElement.click() : face(1)),
  s: () => skip(active()),
  y: clicks("[data-yes]"),
  n: clicks("[data-no]"),
  g: clicks(".guess-button"),
  f: clicks("[formaction$='/not-a-face']"),
  m: () => active() && join(active()),
  o: () => document.activeElement.closest(".tile")?.querySelector("a")?.click(),
  d: () => $("[data-draw]")?.click(),
  Enter: () => $("[data-names]", active() ?? undefined)?.focus(),
  "?": () => $("#keys").showModal(),
  "/": () => ($("[data-search]") ? $("[data-search]").focus() : location.assign("/people")),
};

document.addEventListener("keydown", (event) => {
  const target = event.target;
  const typing = target.matches("input:not([type=checkbox]):not([type=file]), textarea, select");
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "z") {
    if (typing && target.value && target.value !== target.defaultValue) return;
    event.preventDefault();
    undoing();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $("dialog[open]")) return;
  if (target.matches("[data-names]")) return void keyInName(event);
  if (event.key === "Escape") {
    for (const menu of $$("details.menu[open]")) menu.open = false;
    const question = target.closest(".ask-name");
    if (question) {
      $("[data-names]", question.closest("form")).focus();
      question.remove();
      return;
    }
    if (typing) target.blur();
    const card = target.closest(".card");
    if (card && !typing) activate(card);
    return;
  }
  const act = KEYS[event.key];
  const native = event.key === "Enter" && target.matches("button, a, summary");
  if (typing || !act || native) return;
  event.preventDefault();
  act();
});

// ---- a photo to search by ----------------------------------------------------------------------------------------

function searchBy(form) {
  const input = $("input[type=file]", form);
  const look = async (file) => {
    const found = $("#found");
    found.replaceChildren(make("p", { className: "lead busy", textContent: "Looking…" }));
    const body = new FormData();
    body.append("photo", file);
    const headers = { Accept: "text/html", "X-CSRF-Token": token };
    const answer = await fetch("/search", { method: "POST", body, headers, credentials: "same-origin" }).catch(() => null);
    if (!answer) return found.replaceChildren(make("p", { textContent: "The server does not answer." }));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const told = $("#found", page) ?? $("main", page) ?? make("p", { textContent: "The photo cannot be used." });
    found.replaceChildren(...told.childNodes);
    preview(file);
  };
  input.addEventListener("change", () => input.files[0] && look(input.files[0]));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.files[0]) look(input.files[0]);
  });
  for (const kind of ["dragover", "dragenter"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  document.addEventListener("dragleave", () => form.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (event.dataTransfer.files[0]) look(event.dataTransfer.files[0]);
  });
}

function preview(file) {
  const place = $("[data-preview]");
  if (!place) return;
  const picture = make("img", { alt: "The photo you chose" });
  picture.addEventListener("load", () => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${picture.naturalWidth} ${picture.naturalHeight}`);
    const letter = Math.max(picture.naturalWidth, picture.naturalHeight) / 40;
    for (const [i, card] of $$("[data-box]").entries()) {
      const [x, y, width, height] = card.dataset.box.split(",").map(Number);
      svg.append(shape("rect", { x, y, width, height, rx: width * 0.08 }));
      const text = shape("text", { x: x + width / 2, y: y + height + letter * 1.1, "font-size": letter });
      text.textContent = String(i + 1);
      svg.append(text);
    }
    place.append(svg);
    URL.revokeObjectURL(picture.src);
  });
  picture.addEventListener("error", () => place.remove());
  picture.src = URL.createObjectURL(file);
  place.replaceChildren(picture);
}

function shape(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// The card that was looked at before the page was loaded again, or the one in its place.
function cardBefore() {
  const [path, cluster, at] = JSON.parse(sessionStorage.getItem("at") ?? "[null]");
  sessionStorage.removeItem("at");
  if (path !== location.pathname || at < 0) return null;
  history.scrollRestoration = "manual";
  const all = cards();
  return all.find((card) => cluster && card.dataset.cluster === cluster) ?? all[Math.min(at, all.length - 1)] ?? null;
}

// The server tells times as they are in Greenwich; a reader means those of where they are.
for (const time of $$("time[datetime]")) {
  const at = new Date(time.dateTime);
  const two = (number) => String(number).padStart(2, "0");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  time.textContent = `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
  time.title = at.toString();
}

// ---- at the start ------------------------------------------------------------------------------------------------

const kept = sessionStorage.getItem("toast");
sessionStorage.removeItem("toast");
for (const box of $$("#toasts .toast")) fade(box);
if (kept) toast(JSON.parse(kept));
const here = new URL(location.href);
if (here.searchParams.has("done")) {
  here.searchParams.delete("done");
  history.replaceState(null, "", here);
}
const skipped = new Set(JSON.parse(sessionStorage.getItem("skipped") ?? "[]"));
for (const card of $$("[data-cards=unknown] .card")) {
  if (skipped.has(card.dataset.cluster)) card.classList.add("skipped"), card.parentElement.append(card);
}
for (const strip of $$("[data-cards] .strip")) {
  // The arrows go from face to face and o opens its photo: Tab goes on to what is done with them.
  for (const box of $$("input[name=face]", strip).slice(1)) box.tabIndex = -1;
  for (const photo of $$(".tile:not(.more) > a", strip)) photo.tabIndex = -1;
}
const before = cardBefore();
const firstCard = $("[data-cards=unknown] .card, [data-cards=confirm] .card");
if (before) activate(before);
else if (firstCard) mark(firstCard), firstCard.focus({ preventScroll: true });
// What is under way is looked at again, unless somebody reads on.
if ($(".runs .busy")) setInterval(() => document.hidden || $(".runs details[open]") || location.reload(), 5000);
const search = $("[data-search-photo]");
if (search) searchBy(search);
guess();
