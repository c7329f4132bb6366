// Forms are sent without a new page; what the answer says is done to the card and told.

import { again } from "./anew.js";
import { activate, after, cards, skip } from "./cards.js";
import { $, $$, chip, make } from "./dom.js";
import { guessSoon } from "./guesses.js";
import { send } from "./server.js";
import { toast } from "./toasts.js";

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

function count(counts = {}) {
  for (const [name, number] of Object.entries(counts)) {
    const shown = $(`[data-count=${name}]`);
    if (shown) shown.textContent = number.toLocaleString("en");
  }
}

for (const form of $$("form[data-auto]")) form.addEventListener("change", () => form.requestSubmit());
