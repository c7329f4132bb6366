// Suggested names of groups. Each new name may change them, so they are requested again when the user pauses.

import { formOf } from "./cards.js";
import { $, $$, chip, make } from "./dom.js";
import { read } from "./server.js";
import { gettext } from "./texts.js";

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
    const similar = gettext("%(percent)s %% similar", { percent: Math.round(found.similarity * 100) });
    const score = make("small", { textContent: found.known ? `${found.known} · ${similar}` : similar });
    const name = make("bdi", { textContent: `${found.name}?` });
    const button = make("button", { type: "button", className: "suggestion-button" }, chip(found.face, 28), name, score);
    button.setAttribute("aria-label", gettext("Yes, this is %(name)s", { name: found.name }));
    button.addEventListener("click", () => {
      const form = formOf(card);
      $("[name=name]", form).value = found.name;
      form.requestSubmit($("[data-name]", form));
    });
    slot.replaceChildren(button);
  }
}
