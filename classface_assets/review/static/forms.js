// Forms are sent without a page load; the card is updated by the response, and its message shown.

import { activate, after, cards, skip } from "./cards.js";
import { $, $$, chip, make } from "./dom.js";
import { reloadWith } from "./reload.js";
import { send } from "./server.js";
import { suggestSoon } from "./suggestions.js";
import { formatNumber, gettext, ngettext } from "./texts.js";
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
  if (ok && result.namesake) return void offerMerge(form, result);
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
    toast({ message: result.detail ?? gettext("That did not work."), bad: true });
    if (card) activate(card, typing);
  }
}

function removeCard(card, result) {
  card?.remove();
  for (const count of $$("[data-left]")) {
    const removed = count.dataset.left === "faces" ? Number(card?.dataset.size ?? 0) : 1;
    const left = Math.max(0, Number(count.textContent.replace(/\D/g, "")) - removed);
    count.textContent = formatNumber(left);
  }
  for (const stale of $$("[data-once]")) stale.remove();
  toast(result);
  if (cards().length === 0) reloadWith(result);
  else suggestSoon();
}

// A similar name exists already: ask which person is meant.
function askWhichName(form, url, body, then, { near, name }) {
  $(".ask-name", form)?.remove();
  const box = make("div", { className: "ask-name", role: "group", tabIndex: -1, "aria-label": gettext("Did you mean") });
  box.append(make("p", {}, gettext("Did you mean")));
  const addAnswer = (text, chosenName, face, known = "") => {
    const button = make("button", { type: "button" }, ...(face ? [chip(face, 28)] : []), make("bdi", { textContent: text }));
    if (known) button.append(make("small", { textContent: known }));
    button.addEventListener("click", () => {
      box.remove();
      $("[data-names]", form)?.focus(); // so that typing continues in the next card
      body.set("name", chosenName);
      body.set("sure", "1");
      submit(form, url, body, then);
    });
    box.append(button);
  };
  for (const person of near) addAnswer(person.name, person.name, person.face, person.known);
  addAnswer(gettext("No, %(name)s is another person", { name }), name, null);
  form.append(box);
  const card = form.closest(".card");
  if (card) activate(card);
  box.focus(); // on no answer, so that pressing Enter again does no harm
}

// Somebody else has the name already: offer to merge the two. The focus is on no answer.
function offerMerge(form, { namesake, merge }) {
  $(".ask-name", form)?.remove();
  const box = make("div", { className: "ask-name", role: "group", tabIndex: -1, "aria-label": gettext("Is this the same person?") });
  const faces = ngettext("%(num)s face", "%(num)s faces", namesake.faces);
  const link = make("a", { href: `/people/${namesake.id}` }, make("bdi", { textContent: namesake.name }));
  const sentence = gettext("There is already a person called %(name)s (%(faces)s). Is this the same person?", { name: "\n", faces });
  const [before, after] = sentence.split("\n");
  const text = make("p", {}, before, link, after);
  const yes = make("button", { type: "button", textContent: gettext("Yes, merge the two") });
  yes.addEventListener("click", () => {
    box.remove();
    submit(form, merge, new URLSearchParams({ into: namesake.name }), "reload");
  });
  const no = make("button", { type: "button", textContent: gettext("No, choose another name") });
  no.addEventListener("click", () => {
    box.remove();
    $("input[name=name]", form).select();
  });
  box.append(...(namesake.face ? [chip(namesake.face, 40)] : []), text, yes, no);
  form.append(box);
  box.focus();
}

export function showCounts(counts = {}) {
  for (const [name, number] of Object.entries(counts)) {
    for (const shown of $$(`[data-count=${name}]`)) shown.textContent = formatNumber(number);
  }
}

for (const box of $$("[data-must-equal]")) {
  const expected = box.dataset.mustEqual.trim().toLowerCase();
  const check = () => ($("button", box.form).disabled = box.value.trim().toLowerCase() !== expected);
  box.addEventListener("input", check);
  check();
}
for (const panel of matchMedia("(max-width: 48rem)").matches ? $$("[data-closed-on-phones]") : []) panel.open = false;
for (const form of $$("form[data-auto]")) form.addEventListener("change", () => form.requestSubmit());
