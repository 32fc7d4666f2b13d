/** A task's prediction as a plot: a distribution over an axis, or bars of probabilities. */

import { element, shape } from "./dom.js";
import { list, percent, title, unit, value } from "./words.js";

const WIDTH = 200, HEIGHT = 60, BAR = 4;

/** A regression's value, and the interval that holds the label with the share `level`. */
export function regression(task, entry, level) {
  const interval = entry[`${task.name}_interval`];
  return [
    element("p", { class: "headline" }, value(entry[task.name], task), element("small", {}, unit(task))),
    interval ? element("p", { class: "quiet" }, `${percents(level)} within ${interval.map((end) => value(end, task)).join("\u00a0to\u00a0")}`) : null,
  ];
}

/** What models say of a regression, in one plot over its range: values, intervals and distributions.
 *  `layers` are `{ model, entry, bins, level, series }` each: its name, its prediction, the distribution's values (or
 *  none), the interval's share, and the number of its colour. What a model doesn't give is left out. */
export function plot(task, layers) {
  const across = (x) => (WIDTH * (x - task.low)) / (task.high - task.low);
  // One scale for all, so that they can be compared.
  const top = Math.max(...layers.flatMap(({ entry, bins }) => densities(entry[`${task.name}_distribution`] ?? [], bins ?? [])));
  const drawing = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  drawing.append(...layers.map(({ entry, bins, series }, i) => {
    const interval = entry[`${task.name}_interval`], shares = entry[`${task.name}_distribution`], x = across(entry[task.name]);
    const drawn = shape("g", { class: `series-${series}` });
    if (interval) {
      const [low, high] = interval.map(across);
      // Of several models bars, one above the other, where filled areas would hide each other.
      const place = layers.length > 1 ? { y: BAR * i, height: BAR - 1 } : { y: 0, height: HEIGHT };
      drawn.append(shape("rect", { class: "interval", x: low, width: Math.max(high - low, 1), ...place }));
    }
    if (shares && bins) {
      const points = densities(shares, bins).map((density, i) =>
        `L${across(bins[i]).toFixed(2)},${(HEIGHT * (1 - density / top)).toFixed(2)}`);
      const [first, last] = [across(bins[0]), across(bins.at(-1))];
      drawn.append(shape("path", { class: "shares", d: `M${first},${HEIGHT}${points.join("")}L${last},${HEIGHT}Z` }));
    }
    drawn.append(shape("line", { class: "value", x1: x, x2: x, y1: 0, y2: HEIGHT }));
    return drawn;
  }));
  const ticks = steps(task.low, task.high).map((tick) =>
    element("span", { style: { left: `${(100 * (tick - task.low)) / (task.high - task.low)}%` } }, String(tick)));
  const told = layers.map((layer) => `${layers.length > 1 ? `${layer.model}: ` : ""}${inWords(task, layer)}`);
  return element("div", { class: layers.length > 1 ? "plot several" : "plot", role: "img",
    "aria-label": `${told.join("; ")}; axis from ${task.low} to ${task.high}${unit(task)}` },
  drawing,
  element("div", { class: "ticks" }, ...ticks),
  element("div", { class: "axis" }, list([task.name.replaceAll("_", " "), ...(task.unit ? [task.unit] : [])], "in")));
}

function inWords(task, { entry, bins, level }) {
  const interval = entry[`${task.name}_interval`], shares = entry[`${task.name}_distribution`];
  const told = [`${title(task.name)} ${value(entry[task.name], task)}${unit(task)}`];
  if (interval) told.push(`${percents(level)} between ${interval.map((end) => value(end, task)).join(" and ")}`);
  if (shares && bins) told.push(`likeliest ${value(bins[shares.indexOf(Math.max(...shares))], task)}`);
  return told.join("; ");
}

function percents(level) {
  return `${Number((100 * level).toFixed(1))} %`;
}

/** A distribution's shares for a unit each, which don't depend on how wide its bins are. */
function densities(shares, bins) {
  return shares.map((share) => share / (bins[1] - bins[0] || 1));
}

/** Classes: the likeliest, and a bar for each; in their own order where they have one, else the likeliest first. */
export function classes(task, entry) {
  const shares = Object.entries(entry[`${task.name}_probabilities`]);
  if (task.likeliest_first) shares.sort((one, other) => other[1] - one[1]);
  return [
    element("p", { class: "headline" }, entry[task.name]),
    element("ul", { class: "bars" }, ...shares.map(([name, share]) =>
      element("li", { class: name === entry[task.name] ? "likeliest" : null },
        element("span", {}, name), " ", element("span", { class: "percent" }, percent(share)),
        element("div", { class: "bar", style: { "--share": share } })))),
  ];
}

/** Round numbers within a range, at most five. */
function steps(low, high) {
  const rough = (high - low) / 4, scale = 10 ** Math.floor(Math.log10(rough));
  const step = scale * [1, 2, 2.5, 4, 5, 10].find((factor) => factor * scale >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(Number((i * step).toPrecision(9)));
  return found;
}
