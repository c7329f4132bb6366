// Two groups are one person: the first is marked, and joined from the second.

import { again } from "./anew.js";
import { $$ } from "./dom.js";
import { send } from "./server.js";
import { toast } from "./toasts.js";

let joined = null;

export async function join(card) {
  const id = card.dataset.cluster;
  if (!id) return;
  if (!joined || joined === id) {
    joined = id;
    for (const each of $$(".card.marked")) each.classList.remove("marked");
    card.classList.add("marked");
    return toast({ message: "Marked. Go to the group of the same person and press m there." });
  }
  const { ok, told } = await send(`/clusters/${encodeURIComponent(id)}/join`, new URLSearchParams({ other: joined }));
  if (ok) again(told);
  else toast({ message: told.detail, bad: true });
}
