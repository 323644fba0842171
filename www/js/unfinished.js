/** What an earlier visit left unfinished: to be continued or discarded. What is kept of it is the uploader's. */

import { resumable } from "@greloupis/uploader";
import * as access from "./access.js";
import { announce, byId, fromTemplate, showName } from "./dom.js";
import { bytes, bytesOf, moment } from "./words.js";

const isSame = (file, left) => file.size === left.size && file.lastModified === left.lastModified;

export class Unfinished {
  #isHere;
  #go;
  #known = new Set();
  #chooser = byId("chooser");
  #choosing;
  #looks = 0;
  #shown;

  /** `isHere(file)` tells whether the page already shows a file; `go({ file, handle? })` sends one. */
  constructor({ isHere, go }) {
    this.#isHere = isHere;
    this.#go = go;
    this.#chooser.addEventListener("change", () => {
      const [file] = this.#chooser.files;
      this.#chooser.value = "";
      if (file) this.#choosing?.(file);
    });
    // Another tab may have ended, or taken on, some of it meanwhile.
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
  }

  /** Whether a video is, or was, one of those shown here. */
  has(videoId) {
    return this.#known.has(videoId);
  }

  /** Shows what is unfinished now. */
  async look() {
    const look = (this.#looks += 1);
    const found = await resumable().catch(() => []);
    if (look !== this.#looks) return;
    const left = found.filter((one) => !this.#isHere(one));
    // Where nothing is new, what a person is being told stays.
    const shown = JSON.stringify(left);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const list = byId("unfinished");
    const focused = list.contains(document.activeElement);
    for (const { videoId } of left) this.#known.add(videoId);
    list.replaceChildren(...left.map((one) => this.#entry(one)));
    byId("unfinished-section").hidden = left.length === 0;
    if (focused) (list.querySelector("button") ?? byId("picker")).focus();
  }

  #entry(left) {
    const { root, parts } = fromTemplate("leftover");
    const { fileName, size, sent, startedAt } = left;
    let { handle } = left;
    const name = fileName || "A video without a name";
    const say = (sentence) => {
      parts.note.textContent = sentence;
      announce(sentence);
    };
    showName(parts.name, name);
    parts.percent.textContent = `${Math.floor((sent / size) * 100)} %`;
    parts.bar.value = sent / size;
    parts.bar.setAttribute("aria-label", `Sent of ${name}`);
    parts.line.textContent = `${bytesOf(sent, size)} · begun ${moment(startedAt)}`;
    parts.go.setAttribute("aria-label", `Continue: ${name}`);
    parts.discard.setAttribute("aria-label", `Discard: ${name}`);

    const wanted = `“${name}” (${bytes(size)})`;
    const choose = () => {
      say(`Choose ${wanted} once more; only what is missing is sent.`);
      this.#choosing = (file) => {
        if (isSame(file, left)) return this.#go({ file });
        say(`“${file.name}” (${bytes(file.size)}) is another file, or it has been changed. Please choose ${wanted}.`);
      };
      this.#chooser.click();
    };
    parts.go.addEventListener("click", async () => {
      if (!handle) return choose();
      const file = await read(handle);
      if (file && isSame(file, left)) return this.#go({ file, handle });
      const why = file ? "The file has been changed since." : "The file can't be reached; it may have been moved.";
      say(`${why} Choose ${wanted} if you still have it.`);
      // This way leads nowhere; the next click opens the chooser.
      handle = undefined;
    });
    parts.discard.addEventListener("click", async () => {
      parts.go.disabled = parts.discard.disabled = true;
      await left.forget({ token: () => access.token() || undefined }).catch(() => {});
      announce(`${name}: discarded`);
      this.#shown = undefined;
      this.look();
    });
    return root;
  }
}

/** The file behind a handle, if the person allows it and it is still there. */
async function read(handle) {
  try {
    if ((await handle.queryPermission()) !== "granted") await handle.requestPermission();
    return await handle.getFile();
  } catch {
    return undefined;
  }
}
