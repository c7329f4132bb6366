// What is asked of the server, and told it. `send` and `read` never fail: what went wrong is in the answer.

import { $ } from "./dom.js";

const token = $("meta[name=csrf-token]").content;

export function post(url, body, accept) {
  const headers = { Accept: accept, "X-CSRF-Token": token };
  return fetch(url, { method: "POST", body, headers, credentials: "same-origin" });
}

export async function send(url, body) {
  try {
    const answer = await post(url, body, "application/json");
    return { ok: answer.ok, told: await answer.json().catch(() => ({})) };
  } catch {
    return { ok: false, told: { detail: "The server does not answer; nothing was changed." } };
  }
}

// What the server knows, or null.
export async function read(url) {
  const answer = await fetch(url, { credentials: "same-origin" }).catch(() => null);
  return answer?.ok ? answer.json().catch(() => null) : null;
}
