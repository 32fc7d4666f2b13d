/** What the server answered: the photo with its faces boxed, all estimates in a table, and a card for each face. */

import { element } from "./dom.js";
import { heatButton } from "./heat.js";
import { classes, plot, regression } from "./plots.js";
import { table } from "./table.js";
import { takeaway } from "./takeaway.js";
import { trust } from "./trust.js";
import { brief, count, duration, label, list, percent, shortest, title } from "./words.js";

const OPEN = 3;  // So many faces' cards are open from the start.
const COLOURS = 4;  // Models beyond them take the first ones again.
const AT_BOX = 3;  // So many tasks' estimates stand at a box.

/** One line for the status: what was found, how long it took, by which models. */
export function summary(answer) {
  const { decode, detect, predict, total } = answer.milliseconds;
  const found = answer.detected ? `${title(count(answer.faces.length, "face"))} found` : "Whole photo predicted";
  const steps = [`reading the photo ${duration(decode)}`, answer.detected && `finding faces ${duration(detect)}`,
    answer.faces.length && `predicting ${duration(predict)}`].filter(Boolean);
  return `${found} in ${duration(total)} (${steps.join(", ")})${answer.faces.length ? ` by ${list(answer.models.map(label))}` : ""}.`;
}

/** Puts boxes over a photo in `figure` and a table and cards into `cards`; choosing one chooses the other.
 *  `others` is what `takeaway` takes; `explain(model, blob)` asks what a model's estimates of a face rest on. */
export function show(answer, figure, cards, others, explain) {
  const boxes = answer.faces.map((face, i) => (face.box ? box(face, i, answer) : null));
  const entries = answer.faces.map((face, i) => card(face, i, answer, explain));
  // Also for a photo that the browser can't show.
  figure.style.setProperty("aspect-ratio", `${answer.image.width} / ${answer.image.height}`);
  figure.append(...boxes.filter(Boolean));
  const choose = (chosen) => {
    for (const [i, entry] of entries.entries()) {
      entry.classList.toggle("chosen", i === chosen);
      boxes[i]?.setAttribute("aria-pressed", i === chosen);
    }
  };
  const open = (i) => {
    choose(i);
    entries[i].open = true;
    entries[i].focus({ preventScroll: true });
    entries[i].scrollIntoView({ block: "nearest" });
  };
  const image = figure.querySelector("img"), captions = answer.faces.map((face) => estimates(face, answer, brief).join(", "));
  cards.replaceChildren(...(entries.length ? [table(answer, open), takeaway(answer, image, captions, others)] : []), ...entries);
  for (const [i, one] of boxes.entries()) {
    one?.addEventListener("click", () => open(i));
    entries[i].addEventListener("pointerenter", () => choose(i));
    entries[i].addEventListener("focus", () => choose(i));
  }
}

/** What the first of the models that predict a task say of a face, by task: as `how` words it. */
function estimates(face, answer, how) {
  const texts = new Map();
  for (const model of answer.models)
    for (const task of model.tasks)
      if (!texts.has(task.name)) texts.set(task.name, how(task, face.predictions[model.name]));
  return [...texts.values()].slice(0, AT_BOX);
}

function box(face, index, answer) {
  const { image } = answer;
  const [left, top, right, bottom] = face.box;
  const across = (x) => `${(100 * x) / image.width}%`, down = (y) => `${(100 * y) / image.height}%`;
  const points = face.points.map(([x, y]) => element("span", { class: "point", style: {
    left: `${(100 * (x - left)) / (right - left)}%`, top: `${(100 * (y - top)) / (bottom - top)}%` } }));
  return element("button", { type: "button", class: "box", "aria-label": `Face ${index + 1}: ${estimates(face, answer, brief).join(", ")}`, "aria-pressed": "false",
    style: { left: across(left), top: down(top), width: across(right - left), height: down(bottom - top) } },
    element("span", { class: "number" }, String(index + 1)), ...points,
    element("span", { class: bottom > 0.92 * image.height ? "estimate above" : "estimate" },
      estimates(face, answer, shortest).join(" · ")));
}

function card(face, index, answer, explain) {
  const name = face.box ? `Face ${index + 1}` : "Whole photo";
  const facts = face.box
    ? `${face.box[2] - face.box[0]} × ${face.box[3] - face.box[1]} pixels, found with ${percent(face.confidence)} confidence`
    : `${answer.image.width} × ${answer.image.height} pixels`;
  const tasks = new Set(answer.models.flatMap((model) => model.tasks.map((task) => task.name)));
  const open = answer.faces.length <= OPEN, places = new Map();
  const sections = [...tasks].map((task) => section(task, face, answer, places));
  return element("details", { class: "card", tabindex: "-1", "aria-label": name, open },
    element("summary", {},
      element("img", { src: `data:image/jpeg;base64,${face.crop}`, alt: `What the models saw of ${name.toLowerCase()}` }),
      element("div", {}, element("h2", {}, name), element("p", { class: "quiet" }, facts))),
    element("div", { class: answer.models.length > 1 ? "tasks" : "tasks one" },
      ...sections),
    heatButton(face, answer, explain, (model, task) => places.get(`${model.name} ${task.name}`)));
}

/** What all models say of a task; each model's place for it goes into `places`, by "model task". */
function section(name, face, answer, places) {
  const layers = [];
  const cells = answer.models.map((model, series) => {
    const task = model.tasks.find((one) => one.name === name), entry = face.predictions[model.name];
    const level = model.intervals[name];
    if (task && !task.classes) layers.push({ task, model: label(model), entry, bins: model.distributions[name], level, series: series % COLOURS });
    const heading = answer.models.length > 1 ? element("h4", { class: `series-${series % COLOURS}` }, label(model)) : null;
    const content = !task
      ? [element("p", { class: "quiet" }, "Not predicted by this model.")]
      : [...(task.classes ? classes(task, entry) : regression(task, entry, level)),
        element("p", { class: "trust quiet" }, trust(model, task, entry))];
    const place = element("div", {}, ...content);
    places.set(`${model.name} ${name}`, place);
    return element("div", { class: "cell" }, heading, place);
  });
  return element("section", { class: "task", "data-task": name },
    element("h3", {}, title(name)), element("div", { class: "cells" }, ...cells), ...plots(layers));
}

/** One plot for all models, or one each where a task of one name has other ranges in them. */
function plots(layers) {
  const ranges = Map.groupBy(layers, ({ task }) => `${task.low} ${task.high} ${task.unit}`);
  return [...ranges.values()].map((alike) => plot(alike[0].task, alike));
}
