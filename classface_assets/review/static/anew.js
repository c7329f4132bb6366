// The page loaded again, or another one: what was done is told there, and the same card looked at.

import { active, cards } from "./cards.js";
import { $$ } from "./dom.js";

export function again(told, path = null) {
  sessionStorage.setItem("toast", JSON.stringify({ message: told.message, notes: told.notes, undo: told.undo }));
  const at = $$("[data-cards] .card").indexOf(active());
  if (!path) sessionStorage.setItem("at", JSON.stringify([location.pathname, active()?.dataset.cluster ?? null, at]));
  if (path) location.assign(path);
  else location.reload();
}

// What the page before this one wants told.
export function kept() {
  const told = sessionStorage.getItem("toast");
  sessionStorage.removeItem("toast");
  return told && JSON.parse(told);
}

// The card that was looked at before the page was loaded again, or the one in its place.
export function cardBefore() {
  const [path, cluster, at] = JSON.parse(sessionStorage.getItem("at") ?? "[null]");
  sessionStorage.removeItem("at");
  if (path !== location.pathname || at < 0) return null;
  history.scrollRestoration = "manual";
  const all = cards();
  return all.find((card) => cluster && card.dataset.cluster === cluster) ?? all[Math.min(at, all.length - 1)] ?? null;
}
