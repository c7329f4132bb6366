// An enlarged photo is the figure that the address names (:target), and works without this. This adds: keys, swipes, names
// at a touch, zoom to a face, a slideshow, and one entry in the history however many photos are looked at.
(() => {
  const SLIDE_MS = 5000, SWIPE_PX = 50, FACE_SHARE = 0.4, MAX_ZOOM = 8;
  const texts = document.body.dataset;
  const opened = () => document.querySelector("figure:target");
  let before = opened(), entry = false, playing = 0, names = false, start = null;

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const tool = (label, action) => {
    const button = make("button", { type: "button", textContent: label });
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", action);
    return button;
  };
  const nameTool = tool(texts.textNames, () => showNames(!names));
  const playTool = tool(texts.textSlideshow, () => (playing ? stop() : play()));
  const original = make("a", { textContent: texts.textOriginal });
  const tools = make("div", { className: "tools" }, nameTool, playTool, original);

  function showNames(on) {
    names = on;
    nameTool.setAttribute("aria-pressed", String(on));
    opened()?.classList.toggle("names", on);
  }

  function zoom(box) {
    const view = box.closest(".view"), figure = box.closest("figure");
    const [left, top, width, height] = ["left", "top", "width", "height"].map((side) => parseFloat(box.style[side]) / 100);
    const scale = Math.max(1, Math.min(FACE_SHARE / Math.max(width, height), MAX_ZOOM));
    const shift = (place) => Math.min(0, Math.max(1 - scale, 0.5 - place * scale)) * 100;
    view.style.transform = `translate(${shift(left + width / 2)}%, ${shift(top + height / 2)}%) scale(${scale})`;
    view.style.setProperty("--scale", scale);
    figure.classList.add("zoomed");
    for (const other of figure.querySelectorAll(".box.current")) other.classList.remove("current");
    box.classList.add("current");
  }

  function unzoom(figure) {
    if (!figure?.classList.contains("zoomed")) return false;
    figure.classList.remove("zoomed");
    figure.querySelector(".view").style.transform = "";
    figure.querySelector(".box.current")?.classList.remove("current");
    return true;
  }

  function step(way) {
    const figure = opened(), link = figure?.querySelector(way);
    const first = figure?.closest(".photos").querySelector("figure[id] > .close")?.parentElement;
    const hash = link?.getAttribute("href") ?? (playing && way === ".next" && first ? `#${first.id}` : "");
    if (hash) location.replace(hash);
  }

  function close() {
    const figure = opened();
    if (!figure) return;
    stop();
    before = figure; // its own hashchange may not have come yet
    if (entry) history.back();
    else location.replace(figure.querySelector(".close").getAttribute("href"));
  }

  function play() {
    playing = setInterval(() => step(".next"), SLIDE_MS);
    playTool.setAttribute("aria-pressed", "true");
  }

  function stop() {
    clearInterval(playing);
    playing = 0;
    playTool.setAttribute("aria-pressed", "false");
  }

  function arrived() {
    const figure = opened();
    if (before && before !== figure) {
      unzoom(before);
      before.classList.remove("names");
    }
    if (figure) {
      original.hidden = !figure.dataset.original;
      if (figure.dataset.original) original.href = figure.dataset.original;
      figure.append(tools);
      figure.classList.toggle("names", names);
      if (!figure.contains(document.activeElement)) figure.querySelector(".close").focus({ preventScroll: true });
    } else if (before) {
      entry = false;
      stop();
      before.parentElement.scrollIntoView({ block: "nearest", behavior: "instant" });
      before.querySelector(".open")?.focus({ preventScroll: true });
    }
    before = figure;
  }

  addEventListener("hashchange", arrived);
  addEventListener("click", (event) => {
    const link = event.target.closest("a"), figure = opened();
    if (link?.matches(".open")) entry = true;
    if (!figure?.contains(event.target)) return;
    if (link?.matches(".previous, .next, .close")) {
      event.preventDefault();
      if (link.matches(".close")) close();
      else step(link.matches(".next") ? ".next" : ".previous");
    } else if (link?.matches(".box")) {
      if (event.target.closest("span")) return; // the name leads to the student's page
      event.preventDefault();
      if (link.matches(".current")) unzoom(figure);
      else zoom(link);
    } else if (event.target.closest(".view") && !unzoom(figure)) showNames(!names);
  });
  addEventListener("keydown", (event) => {
    const figure = opened();
    if (!figure || event.ctrlKey || event.metaKey || event.altKey) return;
    const rtl = getComputedStyle(figure).direction === "rtl";
    const action = {
      Escape: () => unzoom(figure) || close(),
      ArrowLeft: () => step(rtl ? ".next" : ".previous"),
      ArrowRight: () => step(rtl ? ".previous" : ".next"),
      n: () => showNames(!names),
      s: () => (playing ? stop() : play()),
    }[event.key];
    if (action) {
      event.preventDefault();
      action();
    } else if (event.key === "Tab") {
      const inside = [...figure.querySelectorAll("a[href]:not([tabindex]), button")].filter((one) => one.checkVisibility());
      const edge = event.shiftKey ? inside[0] : inside.at(-1);
      if (document.activeElement === edge || !figure.contains(document.activeElement)) {
        event.preventDefault();
        (event.shiftKey ? inside.at(-1) : inside[0])?.focus();
      }
    }
  });
  addEventListener("touchstart", (event) => {
    start = event.touches.length === 1 ? event.touches[0] : null;
  }, { passive: true });
  addEventListener("touchend", (event) => {
    const figure = opened(), end = event.changedTouches[0];
    if (!start || !figure || figure.classList.contains("zoomed")) return;
    const across = end.clientX - start.clientX;
    if (Math.abs(across) > SWIPE_PX && Math.abs(across) > 2 * Math.abs(end.clientY - start.clientY)) {
      step(across < 0 ? ".next" : ".previous");
    }
  });
  for (const figure of document.querySelectorAll("figure[data-caption]")) {
    const copy = make("button", { type: "button", className: "copy", textContent: texts.textCopy });
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(figure.dataset.caption);
        copy.textContent = texts.textCopied;
      } catch {
        getSelection().selectAllChildren(figure.querySelector("figcaption"));
        copy.textContent = texts.textMarked;
      }
      setTimeout(() => (copy.textContent = texts.textCopy), 3000);
    });
    figure.querySelector("figcaption").append(copy);
  }
  if (before) arrived();
})();
