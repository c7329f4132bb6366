// Requests to the server. `send` and `read` never throw: what went wrong is in their result.

import { $ } from "./dom.js";
import { gettext } from "./texts.js";

const token = $("meta[name=csrf-token]").content;

export function post(url, body, accept) {
  const headers = { Accept: accept, "X-CSRF-Token": token };
  return fetch(url, { method: "POST", body, headers, credentials: "same-origin" });
}

export async function send(url, body) {
  try {
    const response = await post(url, body, "application/json");
    return { ok: response.ok, result: await response.json().catch(() => ({})) };
  } catch {
    return { ok: false, result: { detail: gettext("The server does not answer; nothing was changed.") } };
  }
}

// The response's JSON, or null.
export async function read(url) {
  const response = await fetch(url, { credentials: "same-origin" }).catch(() => null);
  return response?.ok ? response.json().catch(() => null) : null;
}
