// Naming a class photo: one face is enlarged, its name is typed, Enter goes on to the next face; nothing is reloaded.

import { $, $$, chip, make } from "./dom.js";
import { showCounts } from "./forms.js";
import { read, send } from "./server.js";
import { gettext, ngettext } from "./texts.js";
import { toast } from "./toasts.js";

const namer = $("[data-namer]");
const lines = $$("li[data-face]", namer);
const form = $("[data-name-face]", namer);
const input = $("[data-names]", form);
const suggested = $("[data-suggested]", namer);
const classmates = $("[data-classmates]", namer);
const suggestions = new Map();
let current = null;
let asking = false;
let saved = Promise.resolve();

const boxOf = (line) => $(`a.box[href="#${CSS.escape(line.id)}"]`, namer);
const isNamed = (line) => Boolean(line.dataset.person);

function show(line) {
  if (!line) return;
  current?.classList.remove("chosen");
  if (current) boxOf(current)?.classList.remove("chosen");
  current = line;
  line.classList.add("chosen");
  boxOf(line)?.classList.add("chosen");
  const [x, y, side] = line.dataset.zoom.split(" ");
  $("svg[data-zoom]", namer).setAttribute("viewBox", `${x} ${y} ${side} ${side}`);
  ["x", "y", "width", "height"].forEach((name, i) =>
    $("[data-zoom-box]", namer).setAttribute(name, line.dataset.box.split(" ")[i]),
  );
  $("[data-where]", namer).textContent = isNamed(line)
    ? `${line.dataset.where}: ${$(".who bdi", line).textContent}`
    : line.dataset.where;
  form.elements.namedItem("face").value = line.dataset.face;
  $("[data-clear]", namer).hidden = !("confirmed" in line.dataset);
  input.value = "";
  closeQuestion();
  showSuggestion();
  line.scrollIntoView({ block: "nearest" });
  input.focus({ preventScroll: true });
}

function step(by) {
  const at = lines.indexOf(current);
  show(lines[(at + by + lines.length) % lines.length]);
}

// The next face without a name after this one, and after the last one the first.
function next() {
  const at = lines.indexOf(current);
  const later = [...lines.slice(at + 1), ...lines.slice(0, at)].find((line) => !isNamed(line));
  if (later) return show(later);
  const done = $("[data-all-named]");
  done.hidden = lines.some((line) => !isNamed(line));
  if (done.hidden) return step(1);
  $("a", done).focus();
}

function showSuggestion() {
  suggested.replaceChildren();
  if (isNamed(current) && !("confirmed" in current.dataset)) {
    addSuggestion($(".who bdi", current).textContent, null, gettext("automatic match: Enter confirms"));
  } else if (!isNamed(current)) {
    const found = suggestions.get(current.dataset.cluster);
    if (found) addSuggestion(found.name, found.face, gettext("%(percent)s %% similar: Enter accepts", { percent: Math.round(found.similarity * 100) }));
  }
}

function addSuggestion(name, face, text) {
  const button = make("button", { type: "button", className: "suggestion-button" });
  button.append(...(face ? [chip(face, 28)] : []), make("bdi", { textContent: `${name}?` }), make("small", { textContent: text }));
  button.dataset.suggestedName = name;
  button.addEventListener("click", () => giveName(name, true));
  suggested.append(button);
}

// What is typed while the server answers is the name of the next face.
async function giveName(name, sure = false) {
  const line = current;
  const body = new URLSearchParams({ face: line.dataset.face, name, ...(sure ? { sure: "1" } : {}) });
  input.value = "";
  namer.ariaBusy = "true";
  const { ok, result } = await send(form.getAttribute("action"), body);
  namer.ariaBusy = "false";
  if (!ok || result.near) {
    input.value = name;
    if (ok) ask(result);
    else toast({ message: result.detail ?? gettext("That did not work."), bad: true });
    return;
  }
  named(line, name.trim());
  toast(result);
  showCounts(result.counts);
  const typed = input.value;
  next();
  if (typed) input.value = typed;
}

function named(line, name) {
  line.dataset.person = line.dataset.person || "new";
  line.dataset.confirmed = "";
  delete line.dataset.isSure;
  $(".who", line).replaceChildren(make("bdi", { textContent: name }));
  const box = boxOf(line);
  box?.classList.remove("unknown", "automatic");
  box?.classList.add("confirmed");
  box?.setAttribute("aria-label", name);
  if (box) $("text", box).textContent = name;
  $("[data-without]").textContent = lines.filter((each) => !isNamed(each)).length;
  for (const button of $$("button", classmates)) if (button.dataset.name === name) button.remove();
  if (!$("button", classmates)) classmates.hidden = true;
  showSure();
}

function showSure() {
  const button = $("[data-sure]", namer);
  const left = lines.filter((line) => "isSure" in line.dataset).length;
  if (button && !left) button.closest("p").remove();
  else if (button) button.textContent = ngettext("Accept the %(num)s sure name", "Accept the %(num)s sure names", left);
}

// A similar name exists already: ask which person is meant. The focus is on no answer, so that Enter again does no harm.
function ask({ near, name }) {
  closeQuestion();
  asking = true;
  const box = make("div", { className: "ask-name", role: "group", tabIndex: -1, "aria-label": gettext("Did you mean") });
  box.append(make("p", {}, gettext("Did you mean")));
  for (const person of near) box.append(answer(person.name, person.name, person.face));
  box.append(answer(gettext("No, %(name)s is another person", { name }), name, null));
  form.append(box);
  box.focus();
}

function answer(text, name, face) {
  const button = make("button", { type: "button" }, ...(face ? [chip(face, 28)] : []), make("bdi", { textContent: text }));
  button.addEventListener("click", () => {
    closeQuestion();
    giveName(name, true);
  });
  return button;
}

function closeQuestion() {
  asking = false;
  $(".ask-name", form)?.remove();
}

async function acceptSure() {
  const sure = lines.filter((line) => "isSure" in line.dataset);
  if (!sure.length) return;
  const body = new URLSearchParams(sure.map((line) => ["face", line.dataset.face]));
  const { ok, result } = await send(`/photos/${namer.dataset.photo}/confirm`, body);
  if (!ok) return void toast({ message: result.detail ?? gettext("That did not work."), bad: true });
  for (const line of sure) named(line, $(".who bdi", line).textContent);
  toast(result);
  showCounts(result.counts);
  if (isNamed(current)) next();
}

async function change(url, after) {
  const line = current;
  const { ok, result } = await send(url, new URLSearchParams({ face: line.dataset.face }));
  if (!ok) return void toast({ message: result.detail ?? gettext("That did not work."), bad: true });
  after(line, result);
  toast(result);
  showCounts(result.counts);
}

// A parent, a guest, somebody in the background: a person without an album.
function nobodyOfUs() {
  input.value = "";
  const line = current;
  return change("/faces/not-a-student", (_, result) => {
    named(line, result.name);
    next();
  });
}

async function submit() {
  if (asking) return;
  const name = input.value.trim();
  const offered = $("[data-suggested-name]", suggested)?.dataset.suggestedName;
  if (name === "-") await nobodyOfUs();
  else if (name) await giveName(name);
  else if (offered) await giveName(offered, true);
  else next();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  saved = saved.then(submit);
});

input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.shiftKey) {
    event.preventDefault();
    event.stopPropagation();
    acceptSure();
  } else if (!input.value && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
    event.preventDefault();
    step(event.key === "ArrowLeft" ? -1 : 1);
  }
}, true);

for (const line of lines) {
  $("[data-go]", line).addEventListener("click", () => show(line));
  boxOf(line)?.addEventListener("click", (event) => {
    event.preventDefault();
    show(line);
  });
}
$("[data-back]", namer).addEventListener("click", () => step(-1));
$("[data-skip]", namer).addEventListener("click", () => step(1));
$("[data-sure]", namer)?.addEventListener("click", acceptSure);
$("[data-clear]", namer).addEventListener("click", () =>
  change("/faces/nobody", (line) => {
    line.dataset.person = "";
    delete line.dataset.confirmed;
    $(".who", line).replaceChildren(make("bdi", { textContent: gettext("No name yet") }));
    const box = boxOf(line);
    box?.classList.replace("confirmed", "unknown");
    if (box) $("text", box).textContent = "";
    $("[data-without]").textContent = lines.filter((each) => !isNamed(each)).length;
    show(line);
  }),
);
$("[data-nobody]", namer).addEventListener("click", nobodyOfUs);
$("[data-no-face]", namer).addEventListener("click", () =>
  change("/faces/none", (line) => {
    const following = lines[lines.indexOf(line) + 1] ?? lines[lines.indexOf(line) - 1];
    lines.splice(lines.indexOf(line), 1);
    boxOf(line)?.remove();
    line.remove();
    $("[data-without]").textContent = lines.filter((each) => !isNamed(each)).length;
    if (following) show(following);
  }),
);

async function loadSuggestions() {
  const clusters = [...new Set(lines.filter((line) => !isNamed(line)).map((line) => line.dataset.cluster))].filter(Boolean);
  if (!clusters.length) return;
  const found = await read(`/guesses?${new URLSearchParams(clusters.slice(0, 100).map((id) => ["cluster", id]))}`);
  for (const [id, one] of Object.entries(found ?? {})) suggestions.set(id, one);
  if (current && !input.value) showSuggestion();
}

// The students of the class who are not in the photo yet, for the mouse and for fingers.
async function loadClassmates() {
  const known = await read(`/names?${new URLSearchParams({ photo: namer.dataset.photo })}`);
  for (const item of known?.items ?? []) {
    const button = make("button", { type: "button" }, make("bdi", { textContent: item.name }));
    button.dataset.name = item.name;
    button.addEventListener("click", () => giveName(item.name, true));
    classmates.append(button);
  }
  classmates.hidden = !known?.items.length;
}

input.dataset.photo = namer.dataset.photo;
input.dataset.completes = "";
show(lines.find((line) => line.dataset.face === namer.dataset.chosen) ?? lines[0]);
loadSuggestions();
loadClassmates();
