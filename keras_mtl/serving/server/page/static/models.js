/** The models: a choice of them, and a card for each with what it is and is not for. */

import { element } from "./dom.js";
import { label, list, title } from "./words.js";

const CHECKED = 3;

/** Checkboxes, one a model, in a fieldset that stays hidden where there is nothing to choose. */
export function choice(models, fieldset) {
  fieldset.append(...models.map((model, i) =>
    element("label", {},
      element("input", { type: "checkbox", name: "model", value: model.name, checked: i < CHECKED }),
      ` ${label(model)}`)));
  fieldset.hidden = models.length < 2;
}

/** What a model predicts, by what, learnt from what; its limits. */
export function card(model) {
  const binary = model.tasks.filter((task) => task.classes?.length === 2).map((task) => task.name.replaceAll("_", " "));
  const facts = [
    ["Model", [`${label(model)}, run by ${model.backend}${model.run ? `, exported from run ${model.run}` : ""}`]],
    ["Predicts", model.tasks.map(meaning)],
    ["Learnt from", model.sources.length ? model.sources.map(source) : ["Not recorded."]],
    ["Labels", ["A label is a person's guess of how a face looks, not what is true of who is in the photo.",
      binary.length ? `${title(list(binary))} ${binary.length > 1 ? "have" : "has"} two classes because the data have; people need not fit them.` : null]],
    ["Limits", [model.limits]],
    ["Not to be used for", ["Decisions about people: work, credit, insurance, access, age checks, policing.",
      "Recognising, tracking or sorting people, or watching them without their consent.",
      "Health or feelings: a prediction of how a face looks says nothing about them."]],
    ["Not loaded", Object.entries(model.failures).map(([version, why]) => `Version ${version}: ${why}`)],
  ].map(([name, lines]) => [name, lines.filter(Boolean)]);
  return element("details", { class: "model" },
    element("summary", {}, `Model card: ${label(model)}`),
    element("dl", {}, ...facts.filter(([, lines]) => lines.length).flatMap(([name, lines]) =>
      [element("dt", {}, name), element("dd", {}, ...lines.map((line) => element("p", {}, line)))])));
}

function meaning(task) {
  const what = task.classes
    ? `${list(task.classes, "or")}${task.ordered ? ", in this order" : ""}`
    : `a number from ${task.low} to ${task.high}${task.unit ? ` ${task.unit}` : ""}`;
  return `${title(task.name)}: ${what}`;
}

function source({ name, tasks, description, licence, drawn }) {
  const words = `${name}${description ? `: ${description}` : ""}`.replace(/\.$/, "");
  return `${words}. Labels ${list(tasks)}. Licence: ${licence || "not recorded"}.${drawn ? " Drawn, not photographed." : ""}`;
}
