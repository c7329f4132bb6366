// Messages in a corner of the page, each with its undo, shown for a few seconds.

import { $, $$, make } from "./dom.js";
import { reloadWith } from "./reload.js";
import { send } from "./server.js";
import { gettext } from "./texts.js";

const SHOWN_MS = 9000;

export function toast({ message, notes = [], undo = [], bad = false }) {
  const box = make("div", { className: bad ? "toast bad" : "toast" }, make("p", { textContent: message }));
  if (bad) box.setAttribute("role", "alert");
  for (const note of notes) box.append(make("p", { className: "note", textContent: note }));
  if (undo.length) {
    const button = make("button", { type: "button", textContent: message.startsWith(gettext("Undone:")) ? gettext("Redo") : gettext("Undo") });
    button.addEventListener("click", () => undoEvents(undo));
    box.append(button);
  }
  for (const old of $$("#toasts .toast:not(.bad)")) old.remove(); // Ctrl+Z still undoes what they reported
  $("#toasts").append(box);
  removeLater(box);
}

export function removeLater(box) {
  const wait = () => setTimeout(() => (box.matches(":hover, :focus-within") ? wait() : box.remove()), SHOWN_MS);
  wait();
}

// Undo these events, or the user's last action.
export async function undoEvents(events = []) {
  const { ok, result } = await send("/undo", new URLSearchParams({ events: events.join(",") }));
  if (ok) reloadWith(result);
  else toast({ message: result.detail, bad: true });
}
