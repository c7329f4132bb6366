// Guesses of who a group may be. What was just said tells of others too: asked for when whoever says it pauses.

import { formOf } from "./cards.js";
import { $, $$, chip, make } from "./dom.js";
import { read } from "./server.js";

let guessing = 0;

export function guessSoon() {
  clearTimeout(guessing);
  guessing = setTimeout(guess, 700);
}

export async function guess() {
  const slots = new Map($$(".card[data-cluster]").map((card) => [card.dataset.cluster, card]));
  if (!slots.size || !$("[data-guess]")) return;
  const query = new URLSearchParams([...slots.keys()].slice(0, 100).map((id) => ["cluster", id]));
  for (const [id, found] of Object.entries((await read(`/guesses?${query}`)) ?? {})) {
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
