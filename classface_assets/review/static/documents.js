// A document that is being made: its progress without a page load, and the page again when it is ready.

import { $ } from "./dom.js";
import { read } from "./server.js";
import { formatNumber, ngettext } from "./texts.js";

const POLL_MS = 700;
const box = $("[data-document]");

async function look() {
  const job = document.hidden ? null : await read(`/api/v1/faces/exports/documents/${box.dataset.document}`);
  if (job && (job.state === "done" || job.state === "failed")) return location.reload();
  if (job?.total) {
    const bar = $("progress", box);
    bar.max = job.total;
    bar.value = job.done;
    const done = formatNumber(job.done);
    const text = ngettext("%(done)s of %(num)s picture", "%(done)s of %(num)s pictures", job.total, { done });
    $("[data-progress]", box).textContent = text;
  }
  setTimeout(look, POLL_MS);
}

if (box && ["waiting", "running"].includes(box.dataset.state)) look();
