// The texts of scripts in the page's language. The page has the translations; what it lacks is English.

import { $ } from "./dom.js";

const language = document.documentElement.lang || "en";
const texts = JSON.parse($("#texts")?.textContent ?? "{}");
const plurals = new Intl.PluralRules(language);
const fill = (text, values) => text.replace(/%(?:\((\w+)\)s|%)/g, (_, name) => (name ? values[name] : "%"));

export const formatNumber = (number) => number.toLocaleString(language);

export function gettext(message, values = {}) {
  return fill(texts[message] ?? message, values);
}

// The forms are in the order of gettext's plural forms: one, few in Polish, and last all others.
export function ngettext(singular, plural, number, values = {}) {
  const forms = texts[singular] ?? [singular, plural];
  const at = { one: 0, few: 1 }[plurals.select(number)] ?? forms.length - 1;
  return fill(forms[Math.min(at, forms.length - 1)], { num: formatNumber(number), ...values });
}
