// Search by photo: it is chosen or dropped, sent, and shown with the faces that were found.

import { $, $$, make } from "./dom.js";
import { post } from "./server.js";
import { gettext } from "./texts.js";

export function searchBy(form) {
  const input = $("input[type=file]", form);
  const searchFor = async (file) => {
    const found = $("#found");
    found.replaceChildren(make("p", { className: "lead busy", textContent: gettext("Searching…") }));
    const body = new FormData();
    body.append("photo", file);
    const response = await post("/search", body, "text/html").catch(() => null);
    if (!response) return found.replaceChildren(make("p", { textContent: gettext("The server does not answer.") }));
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const results = $("#found", page) ?? $("main", page) ?? make("p", { textContent: gettext("The photo cannot be used.") });
    found.replaceChildren(...results.childNodes);
    preview(file);
  };
  input.addEventListener("change", () => input.files[0] && searchFor(input.files[0]));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.files[0]) searchFor(input.files[0]);
  });
  for (const kind of ["dragover", "dragenter"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  document.addEventListener("dragleave", () => form.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (event.dataTransfer.files[0]) searchFor(event.dataTransfer.files[0]);
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-face-choice]");
  if (button) choose(button.dataset.faceChoice);
});

// Show the matches of one face of the photo, or of all.
function choose(number) {
  for (const [i, card] of $$("[data-box]").entries()) card.hidden = number !== "" && String(i) !== number;
  for (const [i, box] of $$("[data-preview] rect").entries()) box.classList.toggle("chosen", String(i) === number);
  for (const button of $$("[data-face-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.faceChoice === number));
  }
}

function preview(file) {
  const place = $("[data-preview]");
  if (!place) return;
  const picture = make("img", { alt: gettext("The photo you chose") });
  picture.addEventListener("load", () => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${picture.naturalWidth} ${picture.naturalHeight}`);
    const letter = Math.max(picture.naturalWidth, picture.naturalHeight) / 40;
    for (const [i, card] of $$("[data-box]").entries()) {
      const [x, y, width, height] = card.dataset.box.split(",").map(Number);
      const box = shape("rect", { x, y, width, height, rx: width * 0.08 });
      box.addEventListener("click", () => choose(String(i)));
      svg.append(box);
      const text = shape("text", { x: x + width / 2, y: y + height + letter * 1.1, "font-size": letter });
      text.textContent = String(i + 1);
      svg.append(text);
    }
    place.append(svg);
    URL.revokeObjectURL(picture.src);
  });
  picture.addEventListener("error", () => place.remove());
  picture.src = URL.createObjectURL(file);
  place.replaceChildren(picture);
}

function shape(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
