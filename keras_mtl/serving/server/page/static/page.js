/** The page: takes a photo, asks the server, shows what it answers. */

import { hasCamera, takePhoto } from "./camera.js";
import { element } from "./dom.js";
import { card, choice } from "./models.js";
import { show, summary } from "./result.js";
import { label, list } from "./words.js";

const $ = (id) => document.getElementById(id);
const settings = $("settings"), figure = $("photo");
let photo = null, asking = null, address = null;

async function start() {
  const { models, detect } = await told(fetch("v1/models"));
  const tasks = [...new Set(models.flatMap((model) => model.tasks.map((task) => task.name.replaceAll("_", " "))))];
  $("tasks").textContent = `Estimates of ${list(tasks)} from a photo`;
  choice(models, $("models"));
  $("cards").append(...models.map(card));
  const drawn = models.filter((model) => model.drawn).map(label);
  $("drawn").textContent = `Trained on drawn faces: ${list(drawn)}. What is told of a photo of a person means nothing.`;
  $("drawn").hidden = !drawn.length;
  if (!detect) {
    const [faces, whole] = settings.elements.look;
    faces.disabled = true;
    whole.checked = true;
    $("no-detector").hidden = false;
  }
  $("use-camera").hidden = !(await hasCamera());
}

/** Takes a new photo, whatever is being asked of an older one. */
function take(file) {
  if (!file) return;
  photo = file;
  URL.revokeObjectURL(address);
  address = URL.createObjectURL(file);
  ask(true);
}

async function ask(fresh = false) {
  if (!photo || !(await ready)) return;
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking, detect = settings.elements.look.value === "faces";
  const names = [...settings.querySelectorAll("[name=model]:checked")].map((box) => box.value);
  if (!names.length) return fail("Choose at least one model.");
  $("error").textContent = "";
  $("status").textContent = detect ? "Finding faces …" : "Predicting …";
  $("result").hidden = false;
  $("result").ariaBusy = "true";
  $("faces").replaceChildren();
  const image = element("img", { src: address, alt: "Your photo" });
  image.addEventListener("error", () => figure.classList.add("unshown"));
  figure.classList.remove("unshown");
  figure.replaceChildren(image);
  const query = new URLSearchParams({ models: names.join(), detect, crops: true, distributions: true });
  try {
    const answer = await told(fetch(`v1/predict?${query}`, {
      method: "POST", body: photo, headers: { "Content-Type": "application/octet-stream" }, signal }));
    if (signal.aborted) return;
    show(answer, figure, $("faces"), new URLSearchParams({ models: names.join(), detect }));
    $("status").textContent = summary(answer);
    if (!answer.faces.length) offerWhole();
    $("result").ariaBusy = "false";
    if (fresh && figure.getBoundingClientRect().top > innerHeight / 2) $("status").scrollIntoView();
  } catch (error) {
    if (!signal.aborted) fail(error.message);
  }
}

function offerWhole() {
  const button = element("button", { type: "button" }, "Predict the whole photo");
  button.addEventListener("click", () => {
    settings.elements.look.value = "whole";
    settings.elements.look[1].focus({ preventScroll: true });
    ask();
  });
  $("faces").replaceChildren(element("p", {}, "No face was found. Where the photo is of one face that fills it:"), button);
}

function fail(message) {
  $("status").textContent = "";
  $("error").textContent = message;
  $("error").scrollIntoView({ block: "nearest" });
  $("result").hidden = true;
}

/** The server's answer, or an Error with its one line. */
async function told(request) {
  const response = await request.catch((error) => {
    throw error.name === "AbortError" ? error : new Error("The server can't be reached.");
  });
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(content.error ?? `The server answered ${response.status}.`);
  return content;
}

function image(list) {
  return [...list].find((file) => file.type.startsWith("image/")) ?? list[0];
}

$("file").addEventListener("change", (event) => {
  take(event.target.files[0]);
  event.target.value = ""; // So that the same file can be chosen again.
});
$("use-camera").addEventListener("click", () =>
  takePhoto($("camera")).then(take, (error) => fail(`The camera can't be used: ${error.message}`)));
settings.addEventListener("change", () => ask());
settings.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("paste", (event) => take(image(event.clipboardData.files)));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    // Leaving for nowhere is leaving the window.
    document.body.classList.toggle("dropping", kind !== "drop" && !(kind === "dragleave" && !event.relatedTarget));
    if (kind === "drop") take(image(event.dataTransfer.files));
  });

const ready = start().then(() => true, (error) => fail(error.message));
