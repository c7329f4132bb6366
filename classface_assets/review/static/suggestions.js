// Suggested names of groups. Each new name may change them, so they are requested again when the user pauses.

import { formOf } from "./cards.js";
import { $, $$, chip, make } from "./dom.js";
import { read } from "./server.js";

const PAUSE_MS = 700;
const MAX_GROUPS = 100;
let timer = 0;

export function suggestSoon() {
  clearTimeout(timer);
  timer = setTimeout(suggest, PAUSE_MS);
}

export async function suggest() {
  const groups = new Map($$(".card[data-cluster]").map((card) => [card.dataset.cluster, card]));
  if (!groups.size || !$("[data-suggestion]")) return;
  const query = new URLSearchParams([...groups.keys()].slice(0, MAX_GROUPS).map((id) => ["cluster", id]));
  for (const [id, found] of Object.entries((await read(`/guesses?${query}`)) ?? {})) {
    const card = groups.get(id);
    const slot = $("[data-suggestion]", card);
    if (!slot || slot.textContent.startsWith(`${found.name}?`)) continue;
    const score = make("small", { textContent: `${Math.round(found.similarity * 100)} % similar` });
    const name = make("bdi", { textContent: `${found.name}?` });
    const button = make("button", { type: "button", className: "suggestion-button" }, chip(found.face, 28), name, score);
    button.setAttribute("aria-label", `Yes, this is ${found.name}`);
    button.addEventListener("click", () => {
      const form = formOf(card);
      $("[name=name]", form).value = found.name;
      form.requestSubmit($("[data-name]", form));
    });
    slot.replaceChildren(button);
  }
}
