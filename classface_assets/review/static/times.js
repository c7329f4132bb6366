// The server sends times in UTC; they are shown in the browser's time zone.

import { $$ } from "./dom.js";

const language = document.documentElement.lang;

for (const time of $$("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (language !== "en") {
    time.textContent = at.toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
    time.title = at.toString();
    continue;
  }
  const two = (number) => String(number).padStart(2, "0");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  time.textContent = `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
  time.title = at.toString();
}
