// Forms are sent without a page load; the card is updated by the response, and its message shown.

import { activate, after, cards, skip } from "./cards.js";
import { $, $$, chip, make } from "./dom.js";
import { reloadWith } from "./reload.js";
import { send } from "./server.js";
import { suggestSoon } from "./suggestions.js";
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
  submit(form, url, body, then);
});

async function submit(form, url, body, then) {
  const card = then === "remove" ? form.closest(".card") : null;
  const typing = document.activeElement?.matches("[data-names]");
  form.classList.add("busy");
  if (card) {
    card.classList.add("leaving");
    activate(after(card), typing);
  }
  const { ok, result } = await send(url, body);
  form.classList.remove("busy");
  if (ok && !result.near) {
    showCounts(result.counts);
    if (result.go) reloadWith(result, result.go);
    else if (result.reload || result.whole === false || then === "reload") reloadWith(result);
    else if (then.startsWith("go:")) reloadWith(result, then.slice(3));
    else removeCard(card, result);
    return;
  }
  if (card) card.classList.remove("leaving");
  if (result.near) askWhichName(form, url, body, then, result);
  else {
    toast({ message: result.detail ?? "That did not work.", bad: true });
    if (card) activate(card, typing);
  }
}

function removeCard(card, result) {
  card?.remove();
  for (const count of $$("[data-left]")) {
    const removed = count.dataset.left === "faces" ? Number(card?.dataset.size ?? 0) : 1;
    count.textContent = Math.max(0, Number(count.textContent.replaceAll(",", "")) - removed).toLocaleString("en");
  }
  for (const stale of $$("[data-once]")) stale.remove();
  toast(result);
  if (cards().length === 0) reloadWith(result);
  else suggestSoon();
}

// A similar name exists already: ask which person is meant.
function askWhichName(form, url, body, then, { near, name }) {
  $(".ask-name", form)?.remove();
  const box = make("div", { className: "ask-name", role: "group", "aria-label": "Did you mean" });
  box.append(make("p", {}, "Did you mean"));
  const addAnswer = (text, chosenName, face) => {
    const button = make("button", { type: "button" }, ...(face ? [chip(face, 28)] : []), make("bdi", { textContent: text }));
    button.addEventListener("click", () => {
      box.remove();
      $("[data-names]", form)?.focus(); // so that typing continues in the next card
      body.set("name", chosenName);
      body.set("sure", "1");
      submit(form, url, body, then);
    });
    box.append(button);
    return button;
  };
  const first = near.map((person) => addAnswer(person.name, person.name, person.face))[0];
  addAnswer(`No, ${name} is another person`, name, null);
  form.append(box);
  const card = form.closest(".card");
  if (card) activate(card);
  first.focus();
}

function showCounts(counts = {}) {
  for (const [name, number] of Object.entries(counts)) {
    const shown = $(`[data-count=${name}]`);
    if (shown) shown.textContent = number.toLocaleString("en");
  }
}

for (const form of $$("form[data-auto]")) form.addEventListener("change", () => form.requestSubmit());
