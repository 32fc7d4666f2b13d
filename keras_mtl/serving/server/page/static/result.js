/** What the server answered: the photo with its faces boxed, and a card for each face. */

import { element } from "./dom.js";
import { classes, densities, regression } from "./plots.js";
import { count, duration, label, list, percent, title } from "./words.js";

/** One line for the status: what was found, how long it took, by which models. */
export function summary(answer) {
  const { decode, detect, predict, total } = answer.milliseconds;
  const found = answer.detected ? `${title(count(answer.faces.length, "face"))} found` : "Whole photo predicted";
  const steps = [`reading the photo ${duration(decode)}`, answer.detected && `finding faces ${duration(detect)}`,
    answer.faces.length && `predicting ${duration(predict)}`].filter(Boolean);
  return `${found} in ${duration(total)} (${steps.join(", ")})${answer.faces.length ? ` by ${list(answer.models.map(label))}` : ""}.`;
}

/** Puts boxes over a photo in `figure` and cards into `cards`; choosing one chooses the other. */
export function show(answer, figure, cards) {
  const boxes = answer.faces.map((face, i) => (face.box ? box(face, i, answer.image) : null));
  const entries = answer.faces.map((face, i) => card(face, i, answer));
  // Also for a photo that the browser can't show.
  figure.style.setProperty("aspect-ratio", `${answer.image.width} / ${answer.image.height}`);
  figure.append(...boxes.filter(Boolean));
  cards.replaceChildren(...entries);
  const choose = (chosen) => {
    for (const [i, entry] of entries.entries()) {
      entry.classList.toggle("chosen", i === chosen);
      boxes[i]?.setAttribute("aria-pressed", i === chosen);
    }
  };
  for (const [i, one] of boxes.entries()) {
    one?.addEventListener("click", () => {
      choose(i);
      entries[i].focus({ preventScroll: true });
      entries[i].scrollIntoView({ block: "nearest" });
    });
    entries[i].addEventListener("pointerenter", () => choose(i));
    entries[i].addEventListener("focus", () => choose(i));
  }
}

function box(face, index, image) {
  const [left, top, right, bottom] = face.box;
  const across = (x) => `${(100 * x) / image.width}%`, down = (y) => `${(100 * y) / image.height}%`;
  const points = face.points.map(([x, y]) => element("span", { class: "point", style: {
    left: `${(100 * (x - left)) / (right - left)}%`, top: `${(100 * (y - top)) / (bottom - top)}%` } }));
  return element("button", { type: "button", class: "box", "aria-label": `Face ${index + 1}`, "aria-pressed": "false",
    style: { left: across(left), top: down(top), width: across(right - left), height: down(bottom - top) } },
    element("span", { class: "number" }, String(index + 1)), ...points);
}

function card(face, index, answer) {
  const name = face.box ? `Face ${index + 1}` : "Whole photo";
  const facts = face.box
    ? `${face.box[2] - face.box[0]} × ${face.box[3] - face.box[1]} pixels, found with ${percent(face.confidence)} confidence`
    : `${answer.image.width} × ${answer.image.height} pixels`;
  const tasks = new Set(answer.models.flatMap((model) => model.tasks.map((task) => task.name)));
  return element("article", { class: "card", tabindex: "-1", "aria-label": name },
    element("header", {},
      element("img", { src: `data:image/jpeg;base64,${face.crop}`, alt: `What the models saw of ${name.toLowerCase()}` }),
      element("div", {}, element("h2", {}, name), element("p", { class: "quiet" }, facts))),
    element("div", { class: answer.models.length > 1 ? "tasks" : "tasks one" },
      ...[...tasks].map((task) => section(task, face, answer))));
}

function section(name, face, answer) {
  const told = face.predictions;
  // One scale for all models, so that their plots can be compared.
  const top = Math.max(...answer.models.flatMap((model) =>
    densities(told[model.name][`${name}_distribution`] ?? [], model.distributions[name] ?? [])));
  const cells = answer.models.map((model) => {
    const task = model.tasks.find((one) => one.name === name), entry = told[model.name];
    const heading = answer.models.length > 1 ? element("h4", {}, label(model)) : null;
    const content = !task
      ? [element("p", { class: "quiet" }, "Not predicted by this model.")]
      : task.classes ? classes(task, entry) : regression(task, entry, model.distributions[name], top, model.intervals[name]);
    return element("div", { class: "cell" }, heading, element("div", {}, ...content));
  });
  return element("section", { class: "task", "data-task": name },
    element("h3", {}, title(name)), element("div", { class: "cells" }, ...cells));
}
