/** What may be taken away of an answer: JSON, CSV, a picture with boxes, and the command that asks for it. */

import { element } from "./dom.js";
import { csv } from "./table.js";

const LINE = 3, LETTERS = 16;  // Of a photo of 800 pixels.

/** Buttons for all of them; `captions` are what stands at the faces of the shown photo. `answers` gives the answers to
 *  all photos as `[name, answer]`, `query` is what was asked. */
export function takeaway(answer, image, captions, { answers, query }) {
  const button = (text, act) => {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", () => act(made));
    return made;
  };
  const command = `curl --data-binary @photo.jpg -H 'Content-Type: application/octet-stream' '${
    new URL(`v1/predict?${query}`, location.href)}'`;
  return element("div", { class: "buttons takeaway" },
    button("JSON", () => save("estimates.json", new Blob([json(answers())], { type: "application/json" }))),
    button("CSV", () => save("estimates.csv", new Blob([csv(answers())], { type: "text/csv" }))),
    button("Picture", () => picture(answer, image, captions).toBlob((blob) => save("estimates.png", blob))),
    button("Copy as curl", async (made) => {
      await navigator.clipboard.writeText(command);
      made.textContent = "Copied";
    }));
}

/** The answer, or of several photos a list of them with the photos' names. */
function json(answers) {
  const content = answers.length < 2 ? answers[0][1] : answers.map(([photo, answer]) => ({ photo, ...answer }));
  return JSON.stringify(content, null, 2);
}

function save(name, blob) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** The photo with boxes, and under each what was estimated. */
function picture(answer, image, captions) {
  const canvas = element("canvas", { width: answer.image.width, height: answer.image.height });
  const brush = canvas.getContext("2d"), scale = Math.max(canvas.width, canvas.height) / 800;
  brush.drawImage(image, 0, 0, canvas.width, canvas.height);
  brush.font = `${LETTERS * scale}px sans-serif`;
  brush.textBaseline = "top";
  for (const [i, face] of answer.faces.entries()) {
    const [left, top, right, bottom] = face.box ?? [0, 0, canvas.width, canvas.height - 1.4 * LETTERS * scale];
    brush.lineWidth = LINE * scale;
    brush.strokeStyle = "#ffd34d";
    if (face.box) brush.strokeRect(left, top, right - left, bottom - top);
    const text = `${face.box ? `${i + 1}: ` : ""}${captions[i]}`;
    // Below the face, and within the picture.
    const under = Math.min(bottom, canvas.height - 1.4 * LETTERS * scale);
    const begin = Math.max(0, Math.min(left, canvas.width - brush.measureText(text).width - 8 * scale));
    brush.fillStyle = "#000c";
    brush.fillRect(begin, under, brush.measureText(text).width + 8 * scale, 1.4 * LETTERS * scale);
    brush.fillStyle = "#fff";
    brush.fillText(text, begin + 4 * scale, under + 0.2 * LETTERS * scale);
  }
  return canvas;
}
