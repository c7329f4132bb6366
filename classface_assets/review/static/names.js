// The box for a name: known people to complete from, and its own keys.

import { move } from "./cards.js";
import { $, $$, chip, make } from "./dom.js";
import { read } from "./server.js";

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
  const known = await read(`/names?q=${encodeURIComponent(q)}`);
  if (known && number === asked && document.activeElement === input) openList(input, known.items, q);
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
export function keyInName(event) {
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
