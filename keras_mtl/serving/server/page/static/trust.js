/** How far an estimate may be trusted: what came of the photos that its model said the like of. */

import { count, percent, unit, value } from "./words.js";

/** One sentence, or nothing where the model's export has no scores. */
export function trust(model, task, entry) {
  const rows = model.scores?.tasks?.[task.name];
  if (!rows) return "";
  const photos = (number) => count(number, `${model.scores.split} photo`), said = entry[task.name];
  if (task.classes) {
    const row = rows.find((one) => one.class === said);
    return row ? `Of ${photos(row.images)} called ${said}, ${percent(row.right)} were labelled so.`
      : `No ${model.scores.split} photo was called ${said}.`;
  }
  const row = rows.find((one) => said >= one.from && said < one.below) ?? rows.findLast((one) => said >= one.below && one.below >= task.high);
  if (!row) return `No ${model.scores.split} photo had an estimate near ${value(said, task)}${unit(task)}.`;
  const held = row.covered === undefined ? "" : `; the interval held the label of ${percent(row.covered)}`;
  return `Of ${photos(row.images)} with an estimate from ${row.from} to ${row.below}${unit(task)}, the mean error was ${
    value(row.mae, task)}${unit(task)}${held}.`;
}
