// Cards: the active one, moving between them, and those that were skipped.

import { $, $$ } from "./dom.js";

export const cards = () => $$("[data-cards] .card:not(.leaving)");
export const active = () => $(".card.active");
export const formOf = (card) => card.closest("form") ?? $("form", card);
export const after = (card) => {
  const all = $$("[data-cards] .card").filter((each) => each === card || !each.classList.contains("leaving"));
  const at = all.indexOf(card);
  return all[at + 1] ?? all[at - 1] ?? null;
};

export function mark(card) {
  for (const each of $$(".card.active")) each.classList.remove("active");
  card.classList.add("active");
}

export function activate(card, inName = false) {
  if (!card) return;
  mark(card);
  const box = inName ? $("[data-names]", card) : null;
  (box ?? card).focus({ preventScroll: true });
  const place = card.getBoundingClientRect();
  if (place.top < 80 || place.bottom > innerHeight - 16) {
    scrollBy({ top: place.top - Math.max(80, (innerHeight - place.height) / 3) });
  }
}

export function move(step, inName = false) {
  const all = cards();
  const at = all.indexOf(active());
  activate(all[Math.min(Math.max(at + step, 0), all.length - 1)], inName);
}

export function skip(card) {
  if (!card) return;
  const next = after(card);
  const typing = document.activeElement?.matches("[data-names]");
  card.classList.add("skipped");
  if (card.dataset.cluster) rememberSkipped(card.dataset.cluster);
  card.parentElement.append(card);
  activate(next === card ? card : next, typing);
}

const skippedGroups = () => JSON.parse(sessionStorage.getItem("skipped") ?? "[]");

function rememberSkipped(cluster) {
  sessionStorage.setItem("skipped", JSON.stringify([...new Set([...skippedGroups(), cluster])].slice(-500)));
}

export function moveToFace(step) {
  const boxes = $$("input[name=face]", active() ?? document);
  const at = boxes.indexOf(document.activeElement);
  boxes[Math.min(Math.max(at + step, 0), boxes.length - 1)]?.focus();
}

document.addEventListener("pointerdown", (event) => {
  const card = event.target.closest("[data-cards] .card");
  if (card) mark(card);
});

document.addEventListener("focusin", (event) => {
  const card = event.target.closest?.("[data-cards] .card");
  if (card) mark(card);
});

document.addEventListener("click", (event) => {
  const skipper = event.target.closest("[data-skip]");
  if (skipper) skip(skipper.closest(".card"));
});

// Groups that were skipped earlier in this session come last.
export function moveSkippedToEnd() {
  const skipped = new Set(skippedGroups());
  for (const card of $$("[data-cards=unknown] .card")) {
    if (skipped.has(card.dataset.cluster)) card.classList.add("skipped"), card.parentElement.append(card);
  }
}

// The arrow keys move between faces and o opens a face's photo, so Tab stops once in each strip of faces.
export function skipTabStops() {
  for (const strip of $$("[data-cards] .strip")) {
    for (const box of $$("input[name=face]", strip).slice(1)) box.tabIndex = -1;
    for (const photo of $$(".tile:not(.more) > a", strip)) photo.tabIndex = -1;
  }
}
