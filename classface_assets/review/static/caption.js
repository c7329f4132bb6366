// Copies the caption of a photo to the clipboard.

import { $ } from "./dom.js";
import { gettext } from "./texts.js";
import { toast } from "./toasts.js";

const button = $("[data-copy-caption]");
button?.addEventListener("click", async () => {
  const text = document.getElementById(button.dataset.copyCaption);
  try {
    await navigator.clipboard.writeText(text.textContent);
    toast({ message: gettext("The caption is copied.") });
  } catch {
    getSelection().selectAllChildren(text); // without https a browser may refuse: then the text is marked, to be copied
    toast({ message: gettext("The caption is marked: copy it with Ctrl+C.") });
  }
});
