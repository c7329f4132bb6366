// Opening and closing menus and dialogs.

import { $, $$ } from "./dom.js";

export function closeMenus(except = null) {
  for (const menu of $$("details.menu[open]")) if (!menu.contains(except)) menu.open = false;
}

document.addEventListener("click", (event) => {
  closeMenus(event.target);
  const opener = event.target.closest("[data-open]");
  if (opener) $(`#${opener.dataset.open}`).showModal();
});
