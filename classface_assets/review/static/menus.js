// What opens and closes: menus, and the window with the keys.

import { $, $$ } from "./dom.js";

export function closeMenus(but = null) {
  for (const menu of $$("details.menu[open]")) if (!menu.contains(but)) menu.open = false;
}

document.addEventListener("click", (event) => {
  closeMenus(event.target);
  const opener = event.target.closest("[data-open]");
  if (opener) $(`#${opener.dataset.open}`).showModal();
});
