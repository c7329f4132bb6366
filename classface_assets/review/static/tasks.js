// Work that goes on in the server: its progress is shown, and the page is loaded again when it is done.

import { $ } from "./dom.js";
import { read } from "./server.js";
import { formatNumber, ngettext } from "./texts.js";

const POLL_MS = 700;

export function followTask(section) {
  const bar = $("progress", section);
  const text = $("[data-progress]", section);
  const poll = async () => {
    const state = document.hidden ? null : await read(section.dataset.task);
    if (state && !state.running) return location.reload();
    if (state?.total) {
      bar.max = state.total;
      bar.value = state.done;
      const done = formatNumber(state.done);
      text.textContent = ngettext("%(done)s of %(num)s photo", "%(done)s of %(num)s photos", state.total, { done });
    }
    setTimeout(poll, POLL_MS);
  };
  setTimeout(poll, POLL_MS);
}
