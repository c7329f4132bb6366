// What was done is told in a corner for a while, and taken back from there.

import { again } from "./anew.js";
import { $, $$, make } from "./dom.js";
import { send } from "./server.js";

const SHOWN_MS = 9000;

export function toast({ message, notes = [], undo = [], bad = false }) {
  const box = make("div", { className: bad ? "toast bad" : "toast" }, make("p", { textContent: message }));
  if (bad) box.setAttribute("role", "alert");
  for (const note of notes) box.append(make("p", { className: "note", textContent: note }));
  if (undo.length) {
    const button = make("button", { type: "button", textContent: message.startsWith("Undone") ? "Redo" : "Undo" });
    button.addEventListener("click", () => undoing(undo));
    box.append(button);
  }
  for (const old of $$("#toasts .toast:not(.bad)")) old.remove(); // Ctrl+Z still takes back what they told
  $("#toasts").append(box);
  fade(box);
}

export function fade(box) {
  const wait = () => setTimeout(() => (box.matches(":hover, :focus-within") ? wait() : box.remove()), SHOWN_MS);
  wait();
}

export async function undoing(events = []) {
  const { ok, told } = await send("/undo", new URLSearchParams({ events: events.join(",") }));
  if (ok) again(told);
  else toast({ message: told.detail, bad: true });
}
