/** The page: takes photos, asks the server, shows what it answers. */

import { hasCamera, takePhoto } from "./camera.js";
import { element } from "./dom.js";
import { card, choice } from "./models.js";
import { askAll, given, progress, strip } from "./photos.js";
import { show, summary } from "./result.js";
import { label, list } from "./words.js";

const $ = (id) => document.getElementById(id);
const settings = $("settings"), figure = $("photo");
let photos = [], shown = null, asking = null, query = null, words = "";

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

/** Takes new photos, whatever is being asked of older ones. */
function take(files) {
  if (!files.length) return;
  for (const photo of photos) URL.revokeObjectURL(photo.address);
  photos = files.map(given);
  [shown] = photos;
  ask(true);
}

async function ask(fresh = false) {
  if (!photos.length || !(await ready)) return;
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking, detect = settings.elements.look.value === "faces";
  const names = [...settings.querySelectorAll("[name=model]:checked")].map((box) => box.value);
  if (!names.length) return fail("Choose at least one model.");
  query = new URLSearchParams({ models: names.join(), detect });
  for (const photo of photos) [photo.answer, photo.error] = [null, ""];
  display(detect ? "Finding faces …" : "Predicting …");
  const address = `v1/predict?${query}&crops=true&distributions=true`;
  await askAll(photos, (photo) => post(address, photo.file, signal), signal, (photo) => {
    if (photo === shown) {
      display();
      if (fresh && figure.getBoundingClientRect().top > innerHeight / 2) $("status").scrollIntoView();
    } else tell();
  });
}

/** The strip of photos, and how far all is. */
function tell() {
  const focused = [...$("photos").children].indexOf(document.activeElement);
  $("photos").replaceChildren(...strip(photos, shown, (photo) => {
    shown = photo;
    display();
  }));
  $("photos").children[focused]?.focus();
  const waiting = shown.answer || shown.error ? "" : words;
  $("status").textContent = [progress(photos), shown.answer ? summary(shown.answer) : waiting].filter(Boolean).join(" ");
}

/** The shown photo with what is known of it; `waiting` says what goes on until it is. */
function display(waiting = words) {
  words = waiting;
  const { answer, error } = shown;
  $("error").textContent = error;
  $("result").hidden = Boolean(error);
  $("result").ariaBusy = String(!answer);
  $("faces").replaceChildren();
  const image = element("img", { src: shown.address, alt: "Your photo" });
  image.addEventListener("error", () => figure.classList.add("unshown"));
  figure.classList.remove("unshown");
  figure.replaceChildren(image);
  if (answer) {
    const answers = () => photos.filter((photo) => photo.answer).map((photo) => [photo.name, photo.answer]);
    const { signal } = asking;
    const explain = (model, blob) => post(`v1/explain?${new URLSearchParams({ model })}`, blob, signal);
    show(answer, figure, $("faces"), { answers, query }, explain);
    if (!answer.faces.length) offerWhole();
  }
  tell();
  if (error) $("error").scrollIntoView({ block: "nearest" });
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
  $("photos").replaceChildren();
  $("error").textContent = message;
  $("error").scrollIntoView({ block: "nearest" });
  $("result").hidden = true;
}

function post(address, body, signal) {
  return told(fetch(address, { method: "POST", body, headers: { "Content-Type": "application/octet-stream" }, signal }));
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

/** The images among files, or the first, of which the server then says what is wrong. */
function images(files) {
  const found = [...files].filter((file) => file.type.startsWith("image/"));
  return found.length ? found : [...files].slice(0, 1);
}

$("file").addEventListener("change", (event) => {
  take([...event.target.files]);
  event.target.value = ""; // So that the same file can be chosen again.
});
$("use-camera").addEventListener("click", () =>
  takePhoto($("camera")).then((photo) => take(photo ? [photo] : []), (error) => fail(`The camera can't be used: ${error.message}`)));
$("sample").addEventListener("click", async () => {
  const drawn = await fetch("sample.jpg");
  settings.elements.look.value = "whole";
  take([new File([await drawn.blob()], "drawn face.jpg", { type: "image/jpeg" })]);
});
settings.addEventListener("change", () => ask());
settings.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("paste", (event) => take(images(event.clipboardData.files)));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    // Leaving for nowhere is leaving the window.
    document.body.classList.toggle("dropping", kind !== "drop" && !(kind === "dragleave" && !event.relatedTarget));
    if (kind === "drop") take(images(event.dataTransfer.files));
  });

const ready = start().then(() => true, (error) => fail(error.message));
