/** All faces and models in one table: a face a row, a column for each model and task. */

import { element } from "./dom.js";
import { brief, label, percent, title, value } from "./words.js";

/** The table; `choose` is called with the index of the face whose row is chosen. */
export function table(answer, choose) {
  const columns = answer.models.flatMap((model) => model.tasks.map((task) => ({ model, task })));
  const named = element("tr", {}, element("td"), ...answer.models.map((model) =>
    element("th", { scope: "colgroup", colspan: model.tasks.length }, label(model))));
  const tasks = element("tr", {}, element("th", { scope: "col" }, answer.detected ? "Face" : "Photo"),
    ...columns.map(({ task }) => element("th", { scope: "col" }, title(task.name))));
  const rows = answer.faces.map((face, i) => {
    const button = element("button", { type: "button", class: "row" }, face.box ? String(i + 1) : "Whole");
    button.addEventListener("click", () => choose(i));
    return element("tr", {}, element("th", { scope: "row" }, button),
      ...columns.map(({ model, task }) => cell(task, face.predictions[model.name])));
  });
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "All estimates" },
    element("table", {},
      element("thead", {}, answer.models.length > 1 ? named : null, tasks), element("tbody", {}, ...rows)));
}

function cell(task, entry) {
  const interval = entry[`${task.name}_interval`];
  const sure = task.classes
    ? percent(entry[`${task.name}_probabilities`][entry[task.name]])
    : interval && interval.map((end) => value(end, task)).join("\u2013");
  return element("td", {}, brief(task, entry), sure ? element("small", {}, ` ${sure}`) : null);
}

/** Answers, `[name of the photo, answer]` each, as CSV: a face a row; numbers and words as the server gave them. */
export function csv(answers) {
  const fields = answers[0][1].models.flatMap((model) => model.tasks.flatMap((task) => {
    const own = [[`${model.name} ${task.name}`, (entry) => entry[task.name]]];
    if (task.classes) own.push(...task.classes.map((name) =>
      [`${model.name} ${task.name} ${name}`, (entry) => entry[`${task.name}_probabilities`][name]]));
    else if (model.intervals[task.name]) own.push(...["low", "high"].map((end, i) =>
      [`${model.name} ${task.name} ${end}`, (entry) => entry[`${task.name}_interval`][i]]));
    return own.map(([name, read]) => [name, (face) => read(face.predictions[model.name])]);
  }));
  const sides = ["left", "top", "right", "bottom"].map((side, i) => [side, (face) => face.box?.[i] ?? ""]);
  const photo = answers.length > 1 ? [["photo", (face, i, name) => name]] : [];
  const columns = [...photo, ["face", (face, i) => i + 1], ...sides, ...fields];
  const lines = [columns.map(([name]) => name), ...answers.flatMap(([name, answer]) =>
    answer.faces.map((face, i) => columns.map(([, read]) => read(face, i, name))))];
  return `${lines.map((line) => line.map(quoted).join(",")).join("\r\n")}\r\n`;
}

/** A cell; what a spreadsheet would take for a formula is marked as text. */
function quoted(content) {
  const text = typeof content === "string" && /^[=+\-@\t\r]/.test(content) ? `'${content}` : String(content);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
