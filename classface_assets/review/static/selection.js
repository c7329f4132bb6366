// Buttons name what they will do with the selected faces.

import { $, $$ } from "./dom.js";
import { gettext } from "./texts.js";

document.addEventListener("change", (event) => {
  if (!event.target.matches("input[name=face]")) return;
  const form = event.target.form;
  const boxes = $$("input[name=face]", form);
  const selected = boxes.filter((box) => box.checked).length;
  for (const button of $$("[data-some]", form)) {
    button.dataset.all ??= button.textContent;
    button.textContent = selected ? `${button.dataset.some} (${selected})` : button.dataset.all;
  }
  for (const button of $$("[data-one]", form)) button.hidden = selected !== 1;
  const count = $("[data-selected-count]", form);
  if (count) count.textContent = selected ? gettext("%(number)s selected", { number: selected }) : "";
  const main = form.matches("[data-select]") ? null : $("[data-name], [data-yes]", form);
  if (!main) return;
  main.dataset.all ??= main.textContent;
  main.textContent = selected ? forOthers(main.matches("[data-yes]"), boxes.length - selected, $(".tile.more", form)) : main.dataset.all;
});

function forOthers(isYes, number, areMore) {
  if (areMore) return isYes ? gettext("Yes, the others") : gettext("Name the others");
  return isYes ? gettext("Yes, the other %(number)s", { number }) : gettext("Name the other %(number)s", { number });
}
