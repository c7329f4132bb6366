// The server sends times in UTC; they are shown in the browser's time zone.

import { $$ } from "./dom.js";

for (const time of $$("time[datetime]")) {
  const at = new Date(time.dateTime);
  const two = (number) => String(number).padStart(2, "0");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  time.textContent = `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
  time.title = at.toString();
}
