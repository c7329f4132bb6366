// Buttons say what they will do with the faces that were chosen.

import { $, $$ } from "./dom.js";

document.addEventListener("change", (event) => {
  if (!event.target.matches("input[name=face]")) return;
  const form = event.target.form;
  const boxes = $$("input[name=face]", form);
  const chosen = boxes.filter((box) => box.checked).length;
  for (const button of $$("[data-some]", form)) {
    button.dataset.all ??= button.textContent;
    button.textContent = chosen ? `${button.dataset.some} (${chosen})` : button.dataset.all;
  }
  const told = $("[data-chosen]", form);
  if (told) told.textContent = chosen ? `${chosen} chosen` : "";
  const main = form.matches("[data-choose]") ? null : $("[data-name], [data-yes]", form);
  if (!main) return;
  main.dataset.all ??= main.textContent;
  const left = $(".tile.more", form) ? "others" : `other ${boxes.length - chosen}`;
  const verb = main.matches("[data-yes]") ? "Yes, the" : "Name the";
  main.textContent = chosen ? `${verb} ${left}` : main.dataset.all;
});
