// The pages' script: changes without a page load, name completion, keyboard shortcuts. Every form works without it.

import { activate, mark, moveSkippedToEnd, skipTabStops } from "./cards.js";
import { $, $$ } from "./dom.js";
import "./forms.js";
import "./keys.js";
import { searchBy } from "./photo_search.js";
import { pendingToast, previousCard } from "./reload.js";
import "./selection.js";
import { suggest } from "./suggestions.js";
import "./times.js";
import { removeLater, toast } from "./toasts.js";

const RUNS_RELOAD_MS = 5000;

const pending = pendingToast();
for (const box of $$("#toasts .toast")) removeLater(box);
if (pending) toast(pending);
const here = new URL(location.href);
if (here.searchParams.has("done")) {
  here.searchParams.delete("done");
  history.replaceState(null, "", here);
}

moveSkippedToEnd();
skipTabStops();
const previous = previousCard();
const firstCard = $("[data-cards=unknown] .card, [data-cards=confirm] .card");
if (previous) activate(previous);
else if (firstCard) mark(firstCard), firstCard.focus({ preventScroll: true });
// Running runs are refreshed, but not while the user reads details.
if ($(".runs .busy")) setInterval(() => document.hidden || $(".runs details[open]") || location.reload(), RUNS_RELOAD_MS);
const search = $("[data-search-photo]");
if (search) searchBy(search);
suggest();
