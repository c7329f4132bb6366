// Buttons name what they will do with the selected faces.

import { $, $$ } from "./dom.js";

document.addEventListener("change", (event) => {
  if (!event.target.matches("input[name=face]")) return;
  const form = event.target.form;
  const boxes = $$("input[name=face]", form);
  const selected = boxes.filter((box) => box.checked).length;
  for (const button of $$("[data-some]", form)) {
    button.dataset.all ??= button.textContent;
    button.textContent = selected ? `${button.dataset.some} (${selected})` : button.dataset.all;
  }
  const count = $("[data-selected-count]", form);
  if (count) count.textContent = selected ? `${selected} selected` : "";
  const main = form.matches("[data-select]") ? null : $("[data-name], [data-yes]", form);
  if (!main) return;
  main.dataset.all ??= main.textContent;
  const others = $(".tile.more", form) ? "others" : `other ${boxes.length - selected}`;
  const verb = main.matches("[data-yes]") ? "Yes, the" : "Name the";
  main.textContent = selected ? `${verb} ${others}` : main.dataset.all;
});
