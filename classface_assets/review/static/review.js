// The pages' script: changes without a page load, name completion, keyboard shortcuts. Every form works without it.

import { activate, mark, moveSkippedToEnd, skipTabStops } from "./cards.js";
import { $, $$ } from "./dom.js";
import "./documents.js";
import "./forms.js";
import "./keys.js";
import { followUpdate } from "./progress.js";
import { searchBy } from "./photo_search.js";
import { pendingToast, previousCard } from "./reload.js";
import "./selection.js";
import { suggest } from "./suggestions.js";
import { followTask } from "./tasks.js";
import "./times.js";
import { removeLater, toast } from "./toasts.js";

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
followUpdate();
const search = $("[data-search-photo]");
if (search) searchBy(search);
const task = $("[data-task]");
if (task) followTask(task);
suggest();
