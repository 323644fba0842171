// One file of the list, from the moment it is added until its video is ready.

import { toTitle } from "../options.js";
import { CaptionsList } from "./captions.js";
import { isUnsent } from "./totals.js";

/** @import { Engine, QueueItem, QueueOptions, UploadQueueEventMap } from "./index.js" */
/** @import { Upload, UploadError, UploadEvent, UploadOptions } from "../index.js" */
/**
 * @typedef {{
 *   onChange(isProgress?: boolean): void,
 *   onEvent<Type extends keyof UploadQueueEventMap>(type: Type, detail: UploadQueueEventMap[Type]["detail"]): void,
 *   onSlotFree(): void,
 * }} Callbacks
 */

/** Errors that the same file would cause again. */
const FILE_ERRORS = [
  "conversion_failed",
  "file_empty",
  "file_too_large",
  "not_a_video",
  "too_long",
  "transcoder_refused",
  "video_exists",
];
const RUNNING_STATES = ["starting", "uploading", "waiting", "finishing"];

/** The same for the same file chosen again. @param {File} file */
export const fileKey = ({ name, size, lastModified, webkitRelativePath }) =>
  JSON.stringify([name, size, lastModified, webkitRelativePath]);

export class SendItem {
  /** @type {QueueItem} */
  item;
  /** Made once: reading the fields of many files takes long. */
  fileKey;
  #handle;
  #callbacks;
  /** @type {Upload | undefined} */
  #upload;
  /** Counts starts, so that what an earlier one reports late is ignored. */
  #run = 0;
  /** The last start's. @type {Pick<UploadOptions, "endpoint" | "token">} */
  #connection = { endpoint: "" };
  /** The title that the edge has. */
  #savedTitle = "";
  #isSavingTitle = false;
  #captions = new CaptionsList((captions) => this.update({ captions }));

  /**
   * @param {string} id
   * @param {File} file
   * @param {FileSystemFileHandle | undefined} handle
   * @param {Callbacks} callbacks
   */
  constructor(id, file, handle, callbacks) {
    this.#handle = handle;
    this.#callbacks = callbacks;
    this.fileKey = fileKey(file);
    const { name, size } = file;
    const title = toTitle(name.replace(/\.[^.]{1,5}$/, "") || name) ?? "";
    this.item = Object.freeze({ id, file, name, size, title, captions: [], ...initialState() });
  }

  /** Whether it takes bandwidth. */
  get isRunning() {
    return RUNNING_STATES.includes(this.item.state);
  }

  /**
   * @param {Partial<QueueItem>} fields
   * @param {boolean} [isProgress]
   */
  update(fields, isProgress) {
    this.item = Object.freeze({ ...this.item, ...fields });
    this.#callbacks.onChange(isProgress);
  }

  /** @param {string} text */
  setTitle(text) {
    const title = toTitle(text);
    if (title === undefined) return;
    this.update({ title });
    this.#callbacks.onEvent("titlechange", { item: this.item, title });
    this.#saveTitle();
  }

  /** Sends an edited title once the video is stored. One that the edge doesn't take is replaced by the one that it has. */
  async #saveTitle() {
    const { videoId } = this.item;
    if (this.#isSavingTitle || videoId === undefined) return;
    this.#isSavingTitle = true;
    while (this.item.title !== this.#savedTitle) {
      const { title } = this.item;
      // Loaded when a title is first edited.
      const saving = import("./save_title.js").then(({ saveTitle }) => saveTitle(this.#connection, videoId, title));
      if (await saving.catch(() => false)) this.#savedTitle = title;
      else if (title === this.item.title) {
        this.update({ title: this.#savedTitle });
        this.#callbacks.onEvent("titlechange", { item: this.item, title: this.#savedTitle });
      }
    }
    this.#isSavingTitle = false;
  }

  /** Adds captions, which are sent once the video is stored. @param {File} file */
  addCaptions(file) {
    this.#captions.add(file);
  }

  pause() {
    if (!isUnsent(this.item) || this.item.state === "paused") return;
    if (this.#upload) this.#upload.pause();
    else this.update({ state: "paused" });
  }

  resume() {
    if (this.item.state !== "paused") return;
    if (this.#upload) this.#upload.resume();
    else this.update({ state: "queued" });
  }

  cancel() {
    if (!isUnsent(this.item)) return;
    if (this.#upload) this.#upload.cancel();
    else this.#end({ state: "canceled" });
  }

  /** @param {boolean} isNamed a canceled file is only sent again if it is meant by name */
  retry(isNamed) {
    const { state, isRetryable } = this.item;
    if (!(state === "failed" && isRetryable) && !(state === "canceled" && isNamed)) return;
    this.#forgetRun();
    this.update(initialState());
  }

  /** Ends what is running, when the file leaves the list. */
  dispose() {
    this.#upload?.cancel();
    this.#forgetRun();
  }

  #forgetRun() {
    this.#run += 1;
    this.#upload = undefined;
    this.#captions.reset();
    if (this.item.poster) URL.revokeObjectURL(this.item.poster);
  }

  /**
   * @param {Engine["upload"]} upload
   * @param {QueueOptions} options
   */
  async start(upload, options) {
    this.#run += 1;
    const run = this.#run;
    const isCurrent = () => run === this.#run;
    this.update({ state: "starting" });
    this.#callbacks.onEvent("uploadstart", { item: this.item });
    try {
      const more = (await options.beforeUpload?.(this.item)) ?? {};
      if (!isCurrent() || this.item.state !== "starting") return;
      const { endpoint = "", token, partSize, concurrency, allowAnyFile } = options;
      const title = toTitle(this.item.title);
      const given = { endpoint, token, partSize, concurrency, allowAnyFile, title, ...more };
      this.#connection = { endpoint: given.endpoint, token: given.token };
      if (given.title !== undefined) this.update({ title: given.title });
      this.#savedTitle = this.item.title;
      const started = upload(this.#handle ?? this.item.file, given);
      this.#upload = started;
      const eventsRead = this.#readEvents(started, options, isCurrent);
      const { videoId } = await started.done;
      if (!isCurrent()) return;
      this.update({ videoId, sent: this.item.size });
      this.#callbacks.onEvent("uploaded", { item: this.item, videoId });
      this.#callbacks.onSlotFree();
      this.#captions.start(upload, { ...this.#connection, videoId });
      this.#saveTitle();
      const [video] = await Promise.all([started.ready, eventsRead]);
      if (!isCurrent()) return;
      this.update({ state: "ready", video, percent: 100 });
      this.#callbacks.onEvent("ready", { item: this.item, video });
    } catch (cause) {
      if (isCurrent()) this.#fail(/** @type {UploadError} */ (cause));
    }
  }

  /**
   * @param {Upload} started
   * @param {QueueOptions} options
   * @param {() => boolean} isCurrent
   */
  async #readEvents(started, { maxDuration = Number.POSITIVE_INFINITY }, isCurrent) {
    for await (const event of started) {
      if (!isCurrent()) return;
      if (event.type === "media" && (event.durationMs ?? 0) > maxDuration * 1000) {
        this.#fail({ code: "too_long", message: `The video is longer than ${maxDuration} s.` });
        started.cancel();
        return;
      }
      this.#onEvent(event);
    }
  }

  /** @param {UploadEvent} event */
  #onEvent(event) {
    switch (event.type) {
      case "state":
        // Ends are known from the promises, together with their result.
        if (["ready", "failed", "canceled"].includes(event.state)) return;
        this.update({
          ...{ state: event.state, isPausedElsewhere: event.pausedElsewhere ?? false },
          ...{ retrying: undefined, unreachable: undefined, bytesPerSecond: 0, etaSeconds: undefined },
        });
        if (event.state === "paused") this.#callbacks.onSlotFree();
        return;
      case "media": {
        const { durationMs, width, height } = event;
        return this.update({ durationMs, width, height });
      }
      case "poster":
        return this.update({ poster: URL.createObjectURL(event.image) });
      case "progress": {
        const { sent, bytesPerSecond, etaSeconds } = event;
        this.update({ sent, bytesPerSecond, etaSeconds, retrying: undefined }, true);
        return this.#callbacks.onEvent("uploadprogress", { item: this.item });
      }
      case "retry":
        return this.update({ retrying: { attempt: event.attempt, inMs: event.inMs, reason: event.reason } }, true);
      case "unreachable":
        return this.update({ unreachable: event.message });
      case "converting":
        this.update({ percent: event.percent }, true);
        return this.#callbacks.onEvent("conversionprogress", { item: this.item });
    }
  }

  /** @param {{ code?: string, message: string }} error */
  #fail(error) {
    const { code = "failed", message } = error;
    if (code === "canceled") {
      // After `done`, canceling only ends the polling; the video is stored.
      if (this.item.videoId === undefined) this.#end({ state: "canceled" });
      return;
    }
    this.#end({ state: "failed", error: { code, message }, isRetryable: !FILE_ERRORS.includes(code) });
  }

  /** @param {Partial<QueueItem> & { state: "failed" | "canceled" }} fields */
  #end(fields) {
    this.#run += 1;
    this.#upload = undefined;
    this.update({ ...fields, bytesPerSecond: 0, etaSeconds: undefined, retrying: undefined, unreachable: undefined });
    if (fields.state === "failed" && fields.error) {
      this.#callbacks.onEvent("uploaderror", { item: this.item, error: fields.error });
    } else this.#callbacks.onEvent("uploadcanceled", { item: this.item });
    this.#callbacks.onSlotFree();
  }
}

/** @returns {Omit<QueueItem, "id" | "file" | "name" | "size" | "title" | "captions">} */
const initialState = () => ({
  state: "queued",
  isPausedElsewhere: false,
  sent: 0,
  bytesPerSecond: 0,
  etaSeconds: undefined,
  retrying: undefined,
  unreachable: undefined,
  percent: 0,
  poster: undefined,
  durationMs: undefined,
  width: undefined,
  height: undefined,
  videoId: undefined,
  video: undefined,
  error: undefined,
  isRetryable: false,
});
