// The keys, but for those of a name's box.

import { activate, active, cards, face, formOf, move, skip } from "./cards.js";
import { $ } from "./dom.js";
import { join } from "./joining.js";
import { closeMenus } from "./menus.js";
import { keyInName } from "./names.js";
import { undoing } from "./toasts.js";

const clicks = (selector) => () => active() && $(selector, formOf(active()))?.click();
const KEYS = {
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  l: () => face(1),
  ArrowRight: () => (cards().length ? face(1) : $("main [rel=next]")?.click()),
  h: () => face(-1),
  ArrowLeft: () => (cards().length ? face(-1) : $("main [rel=prev]")?.click()),
  x: () => (document.activeElement.matches("input[name=face]") ? document.activeElement.click() : face(1)),
  s: () => skip(active()),
  y: clicks("[data-yes]"),
  n: clicks("[data-no]"),
  g: clicks(".guess-button"),
  f: clicks("[formaction$='/not-a-face']"),
  m: () => active() && join(active()),
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
    undoing();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $("dialog[open]")) return;
  if (target.matches("[data-names]")) return void keyInName(event);
  if (event.key === "Escape") {
    closeMenus();
    const question = target.closest(".ask-name");
    if (question) {
      $("[data-names]", question.closest("form")).focus();
      question.remove();
      return;
    }
    if (typing) target.blur();
    const card = target.closest(".card");
    if (card && !typing) activate(card);
    return;
  }
  const act = KEYS[event.key];
  const native = event.key === "Enter" && target.matches("button, a, summary");
  if (typing || !act || native) return;
  event.preventDefault();
  act();
});
