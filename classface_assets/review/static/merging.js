// Merging two groups of one person by key: the first is marked, the second is merged with it.

import { $$ } from "./dom.js";
import { reloadWith } from "./reload.js";
import { send } from "./server.js";
import { gettext } from "./texts.js";
import { toast } from "./toasts.js";

let marked = null;

export async function merge(card) {
  const id = card.dataset.cluster;
  if (!id) return;
  if (!marked || marked === id) {
    marked = id;
    for (const each of $$(".card.marked")) each.classList.remove("marked");
    card.classList.add("marked");
    return toast({ message: gettext("Marked. Go to the other group of this person and press m again to merge the two.") });
  }
  const { ok, result } = await send(`/clusters/${encodeURIComponent(id)}/join`, new URLSearchParams({ other: marked }));
  if (ok) reloadWith(result);
  else toast({ message: result.detail, bad: true });
}
