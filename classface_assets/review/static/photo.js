// The photo's page: a box leads to its name; a missed face is drawn with the pointer or entered as numbers.

const stage = document.querySelector("[data-stage]");
const board = stage.querySelector("svg");
const drawing = document.querySelector("[data-draw]");
const drawn = document.querySelector("[data-drawn]");
const fields = ["x", "y", "width", "height"].map((name) => drawn.elements.namedItem(name));
const outline = document.createElementNS("http://www.w3.org/2000/svg", "rect");
outline.setAttribute("class", "drawn");
let start = null;

for (const box of board.querySelectorAll("a.box")) {
  box.addEventListener("click", (event) => {
    event.preventDefault();
    if (!stage.classList.contains("drawing")) show(box.getAttribute("href").slice(1), true);
  });
}

function show(id, focus) {
  const line = document.getElementById(id);
  if (!line) return;
  for (const other of document.querySelectorAll(".names li.chosen, a.box.chosen")) other.classList.remove("chosen");
  line.classList.add("chosen");
  board.querySelector(`a[href="#${CSS.escape(id)}"]`)?.classList.add("chosen");
  line.scrollIntoView({ block: "nearest" });
  if (focus) line.querySelector("[data-names]").focus({ preventScroll: true });
}

document.querySelector(".names").addEventListener("focusin", (event) => {
  const line = event.target.closest("li[id]");
  if (line && !line.classList.contains("chosen")) show(line.id, false);
});

drawing.addEventListener("click", (event) => {
  const on = stage.classList.toggle("drawing");
  drawing.setAttribute("aria-pressed", String(on));
  drawn.classList.toggle("ready", on);
  outline.remove();
  if (on && event.detail === 0) {
    drawn.querySelector("details").open = true;
    fields[0].focus();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && stage.classList.contains("drawing")) drawing.click();
});

function point(event) {
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(board.getScreenCTM().inverse());
  const { width, height } = board.viewBox.baseVal;
  return [Math.min(Math.max(at.x, 0), width), Math.min(Math.max(at.y, 0), height)];
}

function outlined(box) {
  ["x", "y", "width", "height"].forEach((name, i) => outline.setAttribute(name, box[i]));
  board.append(outline);
}

board.addEventListener("pointerdown", (event) => {
  if (!stage.classList.contains("drawing") || !event.isPrimary) return;
  event.preventDefault();
  start = point(event);
  board.setPointerCapture(event.pointerId);
});

board.addEventListener("pointermove", (event) => {
  if (!start) return;
  const end = point(event);
  const box = [0, 1].map((i) => Math.min(start[i], end[i])).concat([0, 1].map((i) => Math.abs(start[i] - end[i])));
  outlined(box);
  box.forEach((value, i) => (fields[i].value = Math.round(value)));
});

board.addEventListener("pointerup", () => {
  if (!start) return;
  start = null;
  if (Number(fields[2].value) > 0) drawn.querySelector("[data-names]").focus();
});

for (const field of fields) field.addEventListener("input", () => outlined(fields.map((each) => Number(each.value) || 0)));

const linkedFace = new URLSearchParams(location.search).get("face");
if (linkedFace) show(`f-${linkedFace}`, false);
else if (location.hash) show(location.hash.slice(1), true);
