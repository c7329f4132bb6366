// Keyboard shortcuts, except those of a name box.

import { activate, active, cards, formOf, move, moveToFace, skip } from "./cards.js";
import { $ } from "./dom.js";
import { closeMenus } from "./menus.js";
import { merge } from "./merging.js";
import { keyInName } from "./names.js";
import { undoEvents } from "./toasts.js";

const clicks = (selector) => () => active() && $(selector, formOf(active()))?.click();
const KEYS = {
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  l: () => moveToFace(1),
  ArrowRight: () => (cards().length ? moveToFace(1) : $("main [rel=next]")?.click()),
  h: () => moveToFace(-1),
  ArrowLeft: () => (cards().length ? moveToFace(-1) : $("main [rel=prev]")?.click()),
  x: () => (document.activeElement.matches("input[name=face]") ? document.activeElement.click() : moveToFace(1)),
  s: () => skip(active()),
  y: clicks("[data-yes]"),
  n: clicks("[data-no]"),
  g: clicks(".suggestion-button"),
  f: clicks("[formaction$='/not-a-face']"),
  m: () => active() && merge(active()),
  o: () => document.activeElement.closest(".tile")?.querySelector("a")?.click(),
  d: () => $("[data-draw]")?.click(),
  Enter: () => $("[data-names]", active() ?? undefined)?.focus(),
  "?": () => $("#keys").showModal(),
  "/": () => ($("[data-search]") ? $("[data-search]").focus() : location.assign("/people")),
};

document.addEventListener("keydown", (event) => {
  const target = event.target;
  const typing = target.matches("input:not([type=checkbox]):not([type=file]), textarea, select");
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "z") {
    if (typing && target.value && target.value !== target.defaultValue) return;
    event.preventDefault();
    undoEvents();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $("dialog[open]")) return;
  if (target.matches("[data-names]")) return void keyInName(event);
  if (event.key === "Escape") {
    closeMenus();
    const question = target.closest(".ask-name");
    if (question) {
      const form = question.closest("form");
      ($("[data-names]", form) ?? $("input:not([type=hidden])", form))?.focus();
      question.remove();
      return;
    }
    if (typing) target.blur();
    const card = target.closest(".card");
    if (card && !typing) activate(card);
    return;
  }
  const action = KEYS[event.key];
  const native = event.key === "Enter" && target.matches("button, a, summary, .ask-name");
  if (typing || !action || native) return;
  event.preventDefault();
  action();
});
