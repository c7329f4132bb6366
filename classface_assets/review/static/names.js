// The name box: completion from known people, and its own keys.

import { move } from "./cards.js";
import { $, $$, chip, make } from "./dom.js";
import { read } from "./server.js";
import { gettext, ngettext } from "./texts.js";

const PAUSE_MS = 90;
let request = 0;
let list = null;
let timer = 0;

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-names]")) return;
  clearTimeout(timer);
  timer = setTimeout(() => complete(event.target), PAUSE_MS);
});

document.addEventListener("focusout", (event) => {
  if (event.target.matches?.("[data-names]")) closeList();
});

async function complete(input) {
  const q = input.value.trim();
  const number = ++request;
  const photo = input.dataset.photo;
  if (!q) return closeList();
  const known = await read(`/names?${new URLSearchParams({ q, ...(photo ? { photo } : {}) })}`);
  if (known && number === request && document.activeElement === input) openList(input, known.items, q);
}

function openList(input, items, q) {
  closeList();
  list = make("ul", { id: "names", className: "names-list", role: "listbox", "aria-label": gettext("Known people") });
  for (const [i, item] of items.entries()) {
    const known = [item.class_name, item.student_id && gettext("no. %(id)s", { id: item.student_id })].filter(Boolean).join(" · ");
    const count = known || (item.faces ? ngettext("%(num)s face", "%(num)s faces", item.faces) : gettext("no faces yet"));
    const option = make("li", { id: `names-${i}`, role: "option", "aria-selected": "false" });
    option.append(item.face ? chip(item.face, 32) : make("span", { className: "no-face tiny" }));
    option.append(make("bdi", { textContent: item.name }), make("small", { textContent: count }));
    option.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      pick(input, item.name);
    });
    option.dataset.value = item.name;
    list.append(option);
  }
  const isNew = !("known" in input.dataset) && !items.some((item) => item.name.toLowerCase() === q.toLowerCase());
  const completes = "completes" in input.dataset;
  if (isNew) {
    const added = make("li", { className: "new", role: "presentation" }, `${gettext("New person:")} `, make("bdi", { textContent: q }));
    if (completes) {
      Object.assign(added, { id: `names-${items.length}` });
      added.setAttribute("role", "option");
      added.setAttribute("aria-selected", "false");
      added.dataset.value = q;
    }
    // On a phone the list covers the button below the box: a tap on this line closes it.
    added.addEventListener("pointerdown", (event) => (event.preventDefault(), pick(input, q)));
    list.append(added);
  }
  input.closest(".combo").append(list);
  // Where names are completed, Enter takes the first one that begins so; ↓ leads to the new person.
  const starts = items.length && items[0].in_class && ` ${items[0].name.toLowerCase()}`.includes(` ${q.toLowerCase()}`);
  if (completes && starts) select(input, 1);
  input.setAttribute("aria-expanded", "true");
}

function closeList() {
  clearTimeout(timer);
  request++;
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

function select(input, step) {
  const options = $$("[role=option]", list);
  if (!options.length) return;
  const old = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  const next = (old + step + options.length + (old < 0 && step < 0 ? 1 : 0)) % options.length;
  options.forEach((option, i) => option.setAttribute("aria-selected", String(i === next)));
  options[next].scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", options[next].id);
}

for (const input of $$("[data-names]")) {
  const attributes = { role: "combobox", "aria-expanded": "false", "aria-controls": "names", "aria-autocomplete": "list" };
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
}

// Handle a key that was pressed in a name box.
export function keyInName(event) {
  const input = event.target;
  const selected = list && $("[aria-selected=true]", list);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && list) select(input, step);
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
