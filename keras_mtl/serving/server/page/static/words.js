/** Numbers and names as people read them. */

/** "age_group" as "Age group". */
export function title(name) {
  const words = name.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

/** ["a", "b", "c"] as "a, b and c". */
export function list(words, last = "and") {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

/** "3 faces", "1 face". */
export function count(number, noun) {
  return `${number || "no"} ${noun}${number === 1 ? "" : "s"}`;
}

/** A probability without digits that nobody can vouch for. */
export function percent(share) {
  if (share < 0.005) return "< 1 %";
  return share > 0.995 ? "> 99 %" : `${Math.round(100 * share)} %`;
}

/** A regression's value, to about a thousandth of its range. */
export function value(number, task) {
  return number.toFixed(Math.max(Math.round(3 - Math.log10(task.high - task.low)), 0));
}

/** A regression's unit as it stands behind a number: " years", or nothing. */
export function unit(task) {
  return task.unit ? ` ${task.unit}` : "";
}

/** What a model says of a task in a word or a number, with its unit: "34 years", "smiling". */
export function brief(task, entry) {
  return task.classes ? entry[task.name] : value(entry[task.name], task) + unit(task);
}

/** The same with nothing that can be spared, for where there is little room: "34", "smiling". */
export function shortest(task, entry) {
  if (task.classes) return entry[task.name];
  return task.high - task.low >= 20 ? String(Math.round(entry[task.name])) : value(entry[task.name], task);
}

/** 1234.5 milliseconds as "1.2 s". */
export function duration(milliseconds) {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** A model as "faces, version 3". */
export function label(model) {
  return `${model.name}, version\u00a0${model.version}`;
}
