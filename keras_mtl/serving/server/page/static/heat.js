/** What an estimate rests on: the face, marked where covering it changes the estimate. */

import { element } from "./dom.js";
import { percent, unit, value } from "./words.js";

const EDGE = 160;  // Pixels of the drawing, along each side.
const COLOUR = [255, 64, 0];

/** A button that asks what a face's estimates rest on, and shows it in its card; `explain(model, blob)` asks. */
export function heatButton(face, answer, explain, placeOf) {
  const button = element("button", { type: "button" }, "What do these estimates rest on?");
  button.addEventListener("click", async () => {
    button.disabled = true;
    const said = element("p", { role: "status", class: "quiet" }, "Covering parts of the face in turn …");
    button.replaceWith(said);
    try {
      for (const model of answer.models) {
        const told = await explain(model.name, photo(face.crop));
        for (const task of model.tasks)
          placeOf(model, task).append(...heat(task, face.predictions[model.name], face.crop, told));
      }
      said.textContent = "A quarter of the width and height was covered at a time. Marked is where that changed the estimate most.";
    } catch (error) {
      if (error.name !== "AbortError") said.textContent = error.message;
    }
  });
  return element("div", { class: "rests" }, button);
}

/** The marked face, and in words where the mark is and how far the estimate changed there. */
function heat(task, entry, crop, { side, changes }) {
  const rows = changes[task.name], sizes = rows.map((row) => row.map(Math.abs));
  const most = Math.max(...sizes.flat()), i = sizes.findIndex((row) => row.includes(most)), j = sizes[i].indexOf(most);
  const told = words(task, entry, rows[i][j], place(i, j, rows.length));
  const canvas = element("canvas", { width: EDGE, height: EDGE, "aria-hidden": "true" });
  if (most > 0) mark(canvas, sizes.map((row) => row.map((size) => size / most)), side);
  return [
    element("div", { class: "heat", role: "img", "aria-label": told },
      element("img", { src: `data:image/jpeg;base64,${crop}`, alt: "" }), canvas),
    element("p", { class: "quiet" }, told),
  ];
}

function words(task, entry, fall, where) {
  const size = Math.abs(fall), way = fall > 0 ? "lowers" : "raises";
  if (!task.classes && value(size, task) === value(0, task)) return "No part changes it by itself.";
  if (!task.classes) return `Covering ${where} ${way} it most, by ${value(size, task)}${unit(task)}.`;
  return size < 0.005 ? `No part changes the ${percent(entry[`${task.name}_probabilities`][entry[task.name]])} for ${entry[task.name]} by a point.`
    : `Covering ${where} ${way} the share of ${entry[task.name]} most, by ${Math.max(1, Math.round(100 * size))} points.`;
}

/** A place in a square grid in words: "the upper left". */
function place(i, j, count) {
  const third = (k, names) => names[Math.min(2, Math.floor((3 * k) / count))];
  return `the ${third(i, ["upper ", "", "lower "])}${third(j, ["left", "middle", "right"])}`;
}

/** Shares from 0 to 1, drawn smoothly, each where the middle of its cover was. */
function mark(canvas, shares, side) {
  const count = shares.length, small = element("canvas", { width: count, height: count });
  const points = small.getContext("2d").createImageData(count, count);
  for (const [k, share] of shares.flat().entries()) points.data.set([...COLOUR, 200 * share], 4 * k);
  small.getContext("2d").putImageData(points, 0, 0);
  const step = (1 - side) / (count - 1), start = EDGE * (side - step) / 2, length = EDGE * step * count;
  canvas.getContext("2d").drawImage(small, start, start, length, length);
}

/** JPEG in base64 as a file to send. */
function photo(crop) {
  return new Blob([Uint8Array.from(atob(crop), (letter) => letter.charCodeAt(0))], { type: "image/jpeg" });
}
