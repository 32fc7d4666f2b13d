/** A task's prediction as a plot: a distribution over an axis, or bars of probabilities. */

import { element, shape } from "./dom.js";
import { list, percent, title, value } from "./words.js";

const WIDTH = 200, HEIGHT = 60;

/** Regression: value, interval and distribution over the range; what the model doesn't give is left out.
 *  `bins` are the distribution's values, `top` the density at the plot's upper edge, `level` the interval's share. */
export function regression(task, entry, bins, top, level) {
  const number = entry[task.name], interval = entry[`${task.name}_interval`], shares = entry[`${task.name}_distribution`];
  const share = `${Number((100 * level).toFixed(1))} %`;
  const unit = task.unit ? ` ${task.unit}` : "";
  const across = (x) => (WIDTH * (x - task.low)) / (task.high - task.low);
  const drawing = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  if (interval) {
    const [low, high] = interval.map(across);
    drawing.append(shape("rect", { class: "interval", x: low, y: 0, width: Math.max(high - low, 1), height: HEIGHT }));
  }
  if (shares && bins) {
    const points = densities(shares, bins).map((density, i) =>
      `L${across(bins[i]).toFixed(2)},${(HEIGHT * (1 - density / top)).toFixed(2)}`);
    const [first, last] = [across(bins[0]), across(bins.at(-1))];
    drawing.append(shape("path", { class: "shares", d: `M${first},${HEIGHT}${points.join("")}L${last},${HEIGHT}Z` }));
  }
  const x = across(number);
  drawing.append(shape("line", { class: "value", x1: x, x2: x, y1: 0, y2: HEIGHT }));
  const told = [`${title(task.name)} ${value(number, task)}${unit}`];
  if (interval) told.push(`${share} between ${interval.map((end) => value(end, task)).join(" and ")}`);
  if (shares && bins) told.push(`likeliest ${value(bins[shares.indexOf(Math.max(...shares))], task)}`);
  const axis = `axis from ${task.low} to ${task.high}${unit}`;
  const ticks = steps(task.low, task.high).map((tick) =>
    element("span", { style: { left: `${(100 * (tick - task.low)) / (task.high - task.low)}%` } }, String(tick)));
  return [
    element("p", { class: "headline" }, value(number, task), element("small", {}, unit)),
    interval ? element("p", { class: "quiet" }, `${share} within ${interval.map((end) => value(end, task)).join("\u00a0to\u00a0")}`) : null,
    element("div", { class: "plot", role: "img", "aria-label": `${told.join("; ")}; ${axis}` },
      drawing,
      element("div", { class: "ticks" }, ...ticks),
      element("div", { class: "axis" }, list([task.name.replaceAll("_", " "), ...(task.unit ? [task.unit] : [])], "in"))),
  ];
}

/** A distribution's shares for a unit each, which don't depend on how wide its bins are. */
export function densities(shares, bins) {
  return shares.map((share) => share / (bins[1] - bins[0] || 1));
}

/** Classes: the likeliest, and a bar for each; in their own order where they have one, else the likeliest first. */
export function classes(task, entry) {
  const shares = Object.entries(entry[`${task.name}_probabilities`]);
  if (task.kind === "multiclass") shares.sort((one, other) => other[1] - one[1]);
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
