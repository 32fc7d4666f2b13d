/** Several photos: each is asked about in its turn, and one of them is shown. */

import { element } from "./dom.js";
import { count } from "./words.js";

const AT_ONCE = 2;  // So that one is read while another is predicted.

/** A photo that was given, with the server's answer or error once it is there. */
export function given(file) {
  return { file, name: file.name, address: URL.createObjectURL(file), answer: null, error: "" };
}

/** Asks about each photo, `ask(photo)` resolving to the answer; `told` is called after each, but no more once it is
 *  aborted. */
export async function askAll(photos, ask, signal, told) {
  const waiting = photos.values();
  const work = async () => {
    for (const photo of waiting) {
      const came = await ask(photo).then((answer) => [answer, ""], (error) => [null, error.message]);
      if (signal.aborted) return;
      [photo.answer, photo.error] = came;
      told(photo);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** How far it is, in words; empty for one photo. */
export function progress(photos) {
  if (photos.length < 2) return "";
  const done = photos.filter((photo) => photo.answer || photo.error), failed = done.filter((photo) => photo.error).length;
  const faces = done.reduce((sum, photo) => sum + (photo.answer?.faces.length ?? 0), 0);
  const far = done.length < photos.length ? `${done.length} of ${photos.length} photos` : count(photos.length, "photo");
  return `${far}: ${count(faces, "face")}${failed ? `, ${count(failed, "photo")} that can't be read` : ""}.`;
}

/** A button for each photo, the shown one marked; `choose` is called with the photo that is to be shown. */
export function strip(photos, shown, choose) {
  return photos.length < 2 ? [] : photos.map((photo) => {
    const state = photo.error ? "can't be read" : photo.answer ? count(photo.answer.faces.length, "face") : "waits";
    const button = element("button", { type: "button", "aria-current": photo === shown ? "true" : null, title: photo.name },
      element("img", { src: photo.address, alt: "", loading: "lazy" }),
      element("span", {}, photo.name), element("small", {}, state));
    button.addEventListener("click", () => choose(photo));
    return button;
  });
}
