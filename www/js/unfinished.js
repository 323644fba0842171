/** Uploads that an earlier page load left unfinished, to be continued or discarded. The uploader stores them. */

import { resumable } from "@greloupis/uploader";
import { getToken } from "./auth.js";
import { announce, elementById, fromTemplate, inputById, showName } from "./dom.js";
import { formatBytes, formatBytesOf, formatDateTime } from "./format.js";

/**
 * @typedef {import("./drop.js").FileEntry} FileEntry
 * @typedef {import("@greloupis/uploader").ResumableUpload} ResumableUpload
 * @typedef {{
 *   percent: HTMLElement,
 *   name: HTMLElement,
 *   bar: HTMLProgressElement,
 *   line: HTMLElement,
 *   note: HTMLElement,
 *   continue: HTMLButtonElement,
 *   discard: HTMLButtonElement,
 * }} Parts
 */

/**
 * @param {File} file
 * @param {ResumableUpload} upload
 */
const isSameFile = (file, upload) => file.size === upload.size && file.lastModified === upload.lastModified;

export class Unfinished {
  #isQueued;
  #onContinue;
  /** @type {Set<string | undefined>} */
  #videoIds = new Set();
  #picker = inputById("resume-picker");
  /** @type {((file: File) => void) | undefined} */
  #onFilePicked;
  #refreshCount = 0;
  /** @type {string | undefined} */
  #rendered;

  /**
   * `isQueued(file)` is whether the queue shows a file; `onContinue({ file, handle? })` sends one.
   *
   * @param {{ isQueued: (file: ResumableUpload) => boolean, onContinue: (entry: FileEntry) => void }} callbacks
   */
  constructor({ isQueued, onContinue }) {
    this.#isQueued = isQueued;
    this.#onContinue = onContinue;
    this.#picker.addEventListener("change", () => {
      const file = this.#picker.files?.[0];
      this.#picker.value = "";
      if (file) this.#onFilePicked?.(file);
    });
    // Another tab may have finished or continued some of them meanwhile.
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
  }

  /**
   * Whether a video is, or was, one of those shown here.
   *
   * @param {string} videoId
   */
  hasVideo(videoId) {
    return this.#videoIds.has(videoId);
  }

  /** Loads and shows the unfinished uploads. The latest call wins. */
  async refresh() {
    this.#refreshCount += 1;
    const refresh = this.#refreshCount;
    const found = await resumable().catch(() => []);
    if (refresh !== this.#refreshCount) return;
    const uploads = found.filter((upload) => !this.#isQueued(upload));
    // An unchanged list isn't rendered again, so that notes in it stay visible.
    const rendered = JSON.stringify(uploads);
    if (rendered === this.#rendered) return;
    this.#rendered = rendered;
    const list = elementById("unfinished");
    const hadFocus = list.contains(document.activeElement);
    for (const { videoId } of uploads) this.#videoIds.add(videoId);
    list.replaceChildren(...uploads.map((upload) => this.#createCard(upload)));
    elementById("unfinished-section").hidden = uploads.length === 0;
    if (hadFocus) (list.querySelector("button") ?? inputById("picker")).focus();
  }

  /** @param {ResumableUpload} upload */
  #createCard(upload) {
    /** @type {{ root: HTMLElement, parts: Parts }} */
    const { root, parts } = fromTemplate("unfinished-card");
    const { fileName, size, sent, startedAt } = upload;
    let { handle } = upload;
    const name = fileName || "A video without a name";
    const showNote = (/** @type {string} */ message) => {
      parts.note.textContent = message;
      announce(message);
    };
    showName(parts.name, name);
    parts.percent.textContent = `${Math.floor((sent / size) * 100)} %`;
    parts.bar.value = sent / size;
    parts.bar.setAttribute("aria-label", `Sent of ${name}`);
    parts.line.textContent = `${formatBytesOf(sent, size)} · begun ${formatDateTime(startedAt)}`;
    parts.continue.setAttribute("aria-label", `Continue: ${name}`);
    parts.discard.setAttribute("aria-label", `Discard: ${name}`);

    const expected = `“${name}” (${formatBytes(size)})`;
    const pickFile = () => {
      showNote(`Choose ${expected} once more; only what is missing is sent.`);
      this.#onFilePicked = (file) => {
        if (isSameFile(file, upload)) return this.#onContinue({ file });
        const picked = `“${file.name}” (${formatBytes(file.size)})`;
        showNote(`${picked} is another file, or it has been changed. Please choose ${expected}.`);
      };
      this.#picker.click();
    };
    parts.continue.addEventListener("click", async () => {
      if (!handle) return pickFile();
      const file = await readHandle(handle);
      if (file && isSameFile(file, upload)) return this.#onContinue({ file, handle });
      const reason = file ? "The file has been changed since." : "The file can't be reached; it may have been moved.";
      showNote(`${reason} Choose ${expected} if you still have it.`);
      // The handle is of no use any more; the next click opens the picker.
      handle = undefined;
    });
    parts.discard.addEventListener("click", async () => {
      parts.continue.disabled = true;
      parts.discard.disabled = true;
      await upload.forget({ token: () => getToken() || undefined }).catch(() => {});
      announce(`${name}: discarded`);
      this.#rendered = undefined;
      this.refresh();
    });
    return root;
  }
}

/**
 * The file of a handle; `undefined` if permission is denied or the file is gone.
 *
 * @param {FileSystemFileHandle} handle
 */
async function readHandle(handle) {
  try {
    if ((await handle.queryPermission()) !== "granted") await handle.requestPermission();
    return await handle.getFile();
  } catch {
    return undefined;
  }
}
