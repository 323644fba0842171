// Captions files: which file is one, the video that it belongs to, and how those of one video are sent.

/** @import { CaptionsFile, QueueItem } from "./index.js" */
/** @import { Upload, UploadError, UploadOptions } from "../index.js" */

const EXTENSION = /\.(vtt|srt)$/i;

/** @param {Pick<File, "name">} file */
export const isCaptions = ({ name }) => EXTENSION.test(name);

/**
 * The video that captions belong to: `film.mp4` for `film.vtt`, `film.de.srt` and `film_en-US.vtt`; else the only one.
 *
 * @param {Pick<File, "name">} file
 * @param {readonly QueueItem[]} items
 */
export function videoOf({ name }, items) {
  const captionsName = name.replace(EXTENSION, "").toLowerCase();
  const named = items.filter((item) => {
    const videoName = item.name.replace(/\.[^.]*$/, "").toLowerCase();
    const rest = captionsName.slice(videoName.length);
    return captionsName.startsWith(videoName) && (rest === "" || /^[._ -]/.test(rest));
  });
  // `film.2.de.vtt` is that of `film.2.mp4`, not of `film.mp4`.
  named.sort((a, b) => b.name.length - a.name.length);
  return named[0] ?? (items.length === 1 ? items[0] : undefined);
}

/** Whether captions are to be sent and aren't stored yet. @param {CaptionsFile} captions */
export const isUnsentCaptions = ({ state }) => state === "queued" || state === "uploading";

/** The captions of one video, sent one after the other once the video is stored. */
export class CaptionsList {
  /** @type {readonly CaptionsFile[]} */
  #list = [];
  #onChange;
  /** Starts an upload; known once the video is stored. @type {((file: File) => Upload) | undefined} */
  #upload;
  /** @type {Upload | undefined} */
  #running;

  /** @param {(list: readonly CaptionsFile[]) => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** Adds a file, or replaces the one of its name. @param {File} file */
  add(file) {
    const others = this.#list.filter(({ name }) => name !== file.name);
    this.#set([...others, { file, name: file.name, state: "queued" }]);
    this.#sendNext();
  }

  /**
   * The video is stored: sends what waits, and from now on what is added.
   *
   * @param {(file: File, options: UploadOptions) => Upload} upload
   * @param {UploadOptions} options those of the video, with its id
   */
  start(upload, options) {
    this.#upload = (file) => upload(file, options);
    this.#sendNext();
  }

  /** Ends what is running. All of it is sent again if the video is. */
  reset() {
    this.#upload = undefined;
    this.#running?.cancel();
    this.#running = undefined;
    if (this.#list.length > 0) this.#set(this.#list.map(({ file, name }) => ({ file, name, state: "queued" })));
  }

  async #sendNext() {
    const next = this.#list.find(({ state }) => state === "queued");
    if (!this.#upload || this.#running || !next) return;
    const running = this.#upload(next.file);
    this.#running = running;
    const uploading = this.#replace(next, { ...next, state: "uploading" });
    try {
      await running.done;
      // The video's own upload asks for its conversion.
      running.cancel();
      if (this.#running === running) this.#replace(uploading, { ...next, state: "uploaded" });
    } catch (cause) {
      const { code, message } = /** @type {UploadError} */ (cause);
      if (this.#running === running) this.#replace(uploading, { ...next, state: "failed", error: { code, message } });
    }
    if (this.#running !== running) return;
    this.#running = undefined;
    this.#sendNext();
  }

  /** @param {CaptionsFile} from @param {CaptionsFile} to */
  #replace(from, to) {
    // Another file of that name may have taken its place.
    this.#set(this.#list.map((captions) => (captions === from ? to : captions)));
    return to;
  }

  /** @param {CaptionsFile[]} list */
  #set(list) {
    this.#list = Object.freeze(list);
    this.#onChange(this.#list);
  }
}
