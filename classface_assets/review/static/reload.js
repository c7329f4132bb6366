// Reloading the page, or going to another one, without losing the message to show and the card that was active.

import { active, cards } from "./cards.js";
import { $$ } from "./dom.js";

export function reloadWith(result, path = null) {
  const { message, notes, undo } = result;
  sessionStorage.setItem("toast", JSON.stringify({ message, notes, undo }));
  const at = $$("[data-cards] .card").indexOf(active());
  if (!path) sessionStorage.setItem("at", JSON.stringify([location.pathname, active()?.dataset.cluster ?? null, at]));
  if (path) location.assign(path);
  else location.reload();
}

// The message that the previous page left for this one, or null.
export function pendingToast() {
  const toast = sessionStorage.getItem("toast");
  sessionStorage.removeItem("toast");
  return toast && JSON.parse(toast);
}

// The card that was active before the page was reloaded, or the one now in its place.
export function previousCard() {
  const [path, cluster, at] = JSON.parse(sessionStorage.getItem("at") ?? "[null]");
  sessionStorage.removeItem("at");
  if (path !== location.pathname || at < 0) return null;
  history.scrollRestoration = "manual";
  const all = cards();
  return all.find((card) => cluster && card.dataset.cluster === cluster) ?? all[Math.min(at, all.length - 1)] ?? null;
}
