// Finds students, classes and years on the index by name, class and year. The page works without this.
(() => {
  const MOST = 60; // of a section: laying out thousands of portraits would make typing slow
  const MANY = 8; // taken out of a list that is shown, each item makes the browser number all that follow
  const box = document.querySelector(".find"), field = box.querySelector("input"), status = box.querySelector("output");
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const items = [...document.querySelectorAll("[data-find]")].map((element) => ({
    element, group: element.closest("section"), text: plain(`${element.querySelector(".name").textContent} ${element.dataset.find}`),
  }));
  const groups = [...document.querySelectorAll("main > section, .classes")];
  box.hidden = false;

  function show() {
    const words = plain(field.value).split(/\s+/).filter(Boolean);
    const counts = new Map();
    const changed = [];
    let count = 0, more = false;
    for (const { element, group, text } of items) {
      const found = words.every((word) => text.includes(word));
      const place = (counts.get(group) ?? 0) + found, shown = found && (place <= MOST || !words.length);
      counts.set(group, place);
      if (element.hidden === shown) changed.push(element);
      count += found;
      more ||= found && !shown;
    }
    const lists = changed.length > MANY ? [...new Set(changed.map((element) => element.parentElement))] : [];
    for (const list of lists) list.hidden = true;
    if (lists.length) document.body.offsetHeight; // the lists are gone before their items change
    for (const element of changed) element.hidden = !element.hidden;
    for (const list of lists) list.hidden = false;
    for (const group of groups) group.hidden = words.length > 0 && !group.querySelector("[data-find]:not([hidden])");
    document.body.classList.toggle("finding", words.length > 0);
    status.textContent = !words.length ? "" : count === 1 ? box.dataset.one : count ? (more ? box.dataset.more : box.dataset.many).replace("%s", count) : box.dataset.none;
  }

  field.addEventListener("input", show);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && field.value) { field.value = ""; show(); event.preventDefault(); }
    if (event.key === "Enter" && field.value) document.querySelector("[data-find]:not([hidden]) a")?.click();
  });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== field) { event.preventDefault(); field.focus(); }
  });
  addEventListener("pageshow", () => { // after going back the field has its text again
    show();
    if (location.hash === "#find") setTimeout(() => field.focus()); // once the browser has gone to the fragment
  });
})();
