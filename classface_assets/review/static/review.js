// What makes the pages quick: changes without a new page, names to complete from, keys. Every form works without it.

import { cardBefore, kept } from "./anew.js";
import { activate, mark, oneStopForTab, putOff } from "./cards.js";
import "./chosen.js";
import { $, $$ } from "./dom.js";
import "./forms.js";
import { guess } from "./guesses.js";
import "./keys.js";
import { searchBy } from "./photo_search.js";
import "./times.js";
import { fade, toast } from "./toasts.js";

const told = kept();
for (const box of $$("#toasts .toast")) fade(box);
if (told) toast(told);
const here = new URL(location.href);
if (here.searchParams.has("done")) {
  here.searchParams.delete("done");
  history.replaceState(null, "", here);
}

putOff();
oneStopForTab();
const before = cardBefore();
const firstCard = $("[data-cards=unknown] .card, [data-cards=confirm] .card");
if (before) activate(before);
else if (firstCard) mark(firstCard), firstCard.focus({ preventScroll: true });
// What is under way is looked at again, unless somebody reads on.
if ($(".runs .busy")) setInterval(() => document.hidden || $(".runs details[open]") || location.reload(), 5000);
const search = $("[data-search-photo]");
if (search) searchBy(search);
guess();
