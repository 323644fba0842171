/** The card of one upload, from the chosen file to the finished video. */

import { upload } from "@greloupis/uploader";
import { ENDPOINT, getVideo } from "./api.js";
import { getToken, requestToken } from "./auth.js";
import { announce, createElement, downloadLinks, fromTemplate, setIcon, showImage, showName } from "./dom.js";
import {
  formatBytes,
  formatBytesOf,
  formatDuration,
  formatMediaInfo,
  formatTimeLeft,
  formatVideoInfo,
} from "./format.js";
import { conversionError, describeError } from "./messages.js";
import { rememberName } from "./video_names.js";

/**
 * @typedef {import("@greloupis/uploader").Upload} Upload
 * @typedef {import("@greloupis/uploader").UploadError} UploadError
 * @typedef {import("@greloupis/uploader").UploadEvent} UploadEvent
 * @typedef {import("@greloupis/uploader").UploadState} UploadState
 * @typedef {import("@greloupis/uploader").Video} Video
 * @typedef {Extract<UploadEvent, { type: "progress" }>} ProgressEvent
 * @typedef {UploadState | "queued"} CardState
 * @typedef {{ onRestart: () => void, onPauseChange: () => void, onRemove: () => void }} Callbacks
 * @typedef {{
 *   preview: HTMLAnchorElement,
 *   icon: SVGUseElement,
 *   percent: HTMLElement,
 *   duration: HTMLElement,
 *   name: HTMLElement,
 *   pause: HTMLButtonElement,
 *   pauseIcon: SVGUseElement,
 *   close: HTMLButtonElement,
 *   bar: HTMLProgressElement,
 *   state: HTMLElement,
 *   detail: HTMLElement,
 *   mediaInfo: HTMLElement,
 *   links: HTMLElement,
 *   retry: HTMLButtonElement,
 * }} Parts
 */

// The progress text changes at most this often, to stay readable; the bar follows each event.
const TEXT_INTERVAL_MS = 250;

/**
 * The label of each state, and the labels of the close and pause buttons in it. Without `pause`, the pause button is
 * hidden.
 *
 * @type {Record<CardState, { label: string, close: string, pause?: string }>}
 */
const STATES = {
  queued: { label: "Waiting for its turn", close: "Cancel" },
  starting: { label: "Starting", close: "Cancel", pause: "Pause" },
  uploading: { label: "Uploading", close: "Cancel", pause: "Pause" },
  paused: { label: "Paused", close: "Cancel", pause: "Resume" },
  waiting: { label: "Waiting for the network", close: "Cancel", pause: "Pause" },
  finishing: { label: "Checking what arrived", close: "Cancel" },
  uploaded: { label: "Stored, waiting for the converter", close: "Hide" },
  unverified: { label: "Stored, waiting for the converter", close: "Hide" },
  converting: { label: "Converting", close: "Hide" },
  ready: { label: "Ready", close: "Hide" },
  failed: { label: "Failed", close: "Remove" },
  canceled: { label: "Canceled", close: "Remove" },
};

const UNSENT_STATES = ["queued", "starting", "uploading", "paused", "waiting", "finishing"];
const FINAL_STATES = ["ready", "failed", "canceled"];

export class Card {
  #file;
  #handle;
  /** @type {CardState | undefined} */
  #state;
  /** @type {Upload | undefined} */
  #upload;
  #parts;
  #textUpdatedMs = 0;
  /** @type {ProgressEvent | undefined} */
  #lastProgress;
  #storedText = "";
  #callbacks;

  /**
   * With a handle, the file can be read again after a reload. `onRestart()` requests another send,
   * `onPauseChange()` reports a pause or its end, `onRemove()` requests the card's removal.
   *
   * @param {File} file
   * @param {FileSystemFileHandle | undefined} handle
   * @param {Callbacks} callbacks
   */
  constructor(file, handle, callbacks) {
    /** @type {{ root: HTMLElement, parts: Parts }} */
    const { root, parts } = fromTemplate("card");
    this.root = root;
    this.#file = file;
    this.#handle = handle;
    this.#parts = parts;
    this.#callbacks = callbacks;
    showName(parts.name, file.name);
    parts.pause.addEventListener("click", () => this.#togglePause());
    parts.close.addEventListener("click", () => this.#close());
    parts.retry.addEventListener("click", () => this.#callbacks.onRestart());
    this.reset();
  }

  /**
   * The video's id once the file is stored.
   *
   * @type {string | undefined}
   */
  videoId;

  /** Whether leaving the page now would interrupt the upload. */
  get isUnsent() {
    return UNSENT_STATES.includes(this.#state ?? "");
  }

  get isQueued() {
    return this.#state === "queued";
  }

  get isPaused() {
    return this.#state === "paused";
  }

  /** @param {{ size: number, lastModified: number }} file */
  matches({ size, lastModified }) {
    return this.#file.size === size && this.#file.lastModified === lastModified;
  }

  /** Returns to the queued state without progress. */
  reset() {
    this.#setState("queued");
    this.#lastProgress = undefined;
    this.#setBar(0);
    this.#setDetail(formatBytes(this.#file.size));
  }

  /** Sends the file; resolves when the next upload may start, whether this one was stored or failed. */
  async send() {
    const token = getToken();
    const run = upload(this.#handle ?? this.#file, { endpoint: ENDPOINT, token: () => getToken() || undefined });
    this.#upload = run;
    this.#setState("starting");
    const eventsHandled = this.#handleEvents(run);
    try {
      const { videoId } = await run.done;
      this.videoId = videoId;
      rememberName(videoId, this.#file.name);
    } catch (cause) {
      const error = /** @type {UploadError} */ (cause);
      await eventsHandled;
      // Not awaited: the token dialog can stay open for long while other uploads go on.
      if (error.code === "unauthorized") this.#authorize(token, error);
      else this.#showFailure(error);
      return;
    }
    // Events already queued are handled before the final state.
    eventsHandled
      .then(() => run.ready)
      .then(
        (video) => this.#showReady(video),
        (error) => this.#onConversionLost(error),
      );
  }

  /**
   * @param {string} rejectedToken
   * @param {UploadError} error
   */
  async #authorize(rejectedToken, error) {
    if (await requestToken(rejectedToken)) this.#callbacks.onRestart();
    else this.#showFailure(error);
  }

  /** @param {Upload} run */
  async #handleEvents(run) {
    for await (const event of run) {
      if (event.type === "state" && event.state in STATES) this.#onState(event.state);
      else if (event.type === "media") this.#parts.mediaInfo.textContent = formatMediaInfo(event);
      else if (event.type === "poster") this.#showPoster(event.image);
      else if (event.type === "progress") this.#onProgress(event);
      else if (event.type === "converting") this.#showConversion(event.percent);
      else if (event.type === "retry" && this.#state === "uploading") {
        this.#setDetail("Connection problems; retrying automatically");
      }
    }
  }

  /**
   * Final states are set by `#showReady` and `#showFailure`, together with their content.
   *
   * @param {UploadState} state
   */
  #onState(state) {
    if (FINAL_STATES.includes(state)) return;
    this.#setState(state);
    if (state === "finishing") this.#setDetail("Comparing checksums");
    else if (state === "uploaded" || state === "unverified") {
      const suffix = state === "uploaded" ? "" : ", though not compared";
      this.#storedText = `${formatBytes(this.#file.size)} stored${suffix}`;
      this.#showConversion(0);
    } else this.#showProgressText();
  }

  /** @param {Blob} image */
  #showPoster(image) {
    const url = URL.createObjectURL(image);
    showImage(this.#parts.preview, url).finally(() => URL.revokeObjectURL(url));
  }

  /** @param {ProgressEvent} event */
  #onProgress(event) {
    this.#lastProgress = event;
    if (!["uploading", "paused", "waiting"].includes(this.#state ?? "")) return;
    this.#setBar(event.sent / event.total);
    const nowMs = performance.now();
    if (nowMs - this.#textUpdatedMs < TEXT_INTERVAL_MS) return;
    this.#textUpdatedMs = nowMs;
    this.#showProgressText();
  }

  /** Bytes sent, with speed and remaining time while the upload is running. */
  #showProgressText() {
    const waiting = this.#state === "waiting" ? "goes on by itself" : "";
    if (!this.#lastProgress) {
      if (waiting) this.#setDetail(waiting);
      return;
    }
    const { sent, total, bytesPerSecond, etaSeconds } = this.#lastProgress;
    const running = this.#state === "uploading" && bytesPerSecond > 0;
    const items = running ? [`${formatBytes(bytesPerSecond)}/s`, formatTimeLeft(etaSeconds)] : [waiting];
    this.#setDetail(formatBytesOf(sent, total), ...items.filter(Boolean));
  }

  /** @param {number} percent */
  #showConversion(percent) {
    this.#setBar(percent / 100);
    this.#setDetail(this.#storedText, "you may leave");
  }

  /** @param {Video} video */
  #showReady(video) {
    this.#setState("ready");
    const { preview, duration, links, icon } = this.#parts;
    const { poster, mp4 = {} } = video.urls ?? {};
    const address = `#v=${video.videoId}`;
    preview.href = address;
    if (poster) showImage(preview, poster);
    setIcon(icon, "play");
    icon.parentElement?.classList.add("solid");
    duration.textContent = formatDuration(video.durationMs ?? 0);
    duration.hidden = !video.durationMs;
    this.#setDetail(formatVideoInfo(video));
    const watch = createElement("a", { className: "button primary small", href: address, textContent: "Watch" });
    links.replaceChildren(watch, downloadLinks(mp4));
    links.hidden = false;
  }

  /**
   * The file is stored, but its conversion failed or can't be followed.
   *
   * @param {UploadError} error
   */
  #onConversionLost(error) {
    if (error.code.startsWith("conversion_")) this.#showFailure(error);
    // The file is stored, so it isn't sent again. The video list polls on, with a new access token if necessary.
    else if (this.root.isConnected) this.#callbacks.onRemove();
  }

  /** @param {{ code: string, message: string }} error */
  async #showFailure(error) {
    if (error.code === "canceled") {
      this.#setState("canceled");
      this.#setDetail("Nothing of it was kept");
      return;
    }
    const { summary, advice, retryable } = describeError(error);
    let small = error.code;
    if (error.code === "conversion_failed" && this.videoId) {
      // The video has MediaConvert's own code and message.
      small = conversionError(await getVideo(this.videoId).catch(() => undefined)) || error.message;
    }
    this.#setState("failed", summary);
    this.#parts.retry.hidden = !retryable;
    this.#parts.state.textContent = summary;
    this.#parts.detail.replaceChildren(advice, " ", createElement("span", { className: "code", textContent: small }));
  }

  #togglePause() {
    if (this.isPaused) this.#upload?.resume();
    else this.#upload?.pause();
  }

  #close() {
    if (this.isQueued) return this.#showFailure({ code: "canceled", message: "" });
    if (this.isUnsent) return this.#upload?.cancel();
    this.#callbacks.onRemove();
    this.#upload?.cancel();
  }

  /**
   * @param {CardState} state
   * @param {string} [announcement]
   */
  #setState(state, announcement = STATES[state].label) {
    if (this.#state === state) return;
    const pauseChanged = state === "paused" || this.isPaused;
    this.#state = state;
    const { close, retry, bar, links, mediaInfo } = this.#parts;
    const { label } = STATES[state];
    const final = FINAL_STATES.includes(state);
    this.root.dataset.state = state;
    this.#parts.state.textContent = label;
    bar.hidden = final;
    bar.setAttribute("aria-label", label);
    links.hidden = true;
    mediaInfo.hidden = final;
    retry.hidden = state !== "failed" && state !== "canceled";
    setIcon(this.#parts.icon, state === "failed" ? "alert" : "film");
    this.#labelButton(close, STATES[state].close);
    this.#labelPauseButton(STATES[state].pause);
    this.#textUpdatedMs = 0;
    if (state !== "queued" && state !== "starting") announce(`${this.#file.name}: ${announcement}`);
    if (pauseChanged) this.#callbacks.onPauseChange();
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {string} label
   */
  #labelButton(button, label) {
    button.setAttribute("aria-label", `${label}: ${this.#file.name}`);
    button.title = label;
  }

  /** @param {string | undefined} label `undefined` hides the button. */
  #labelPauseButton(label) {
    const button = this.#parts.pause;
    // Hiding a focused element loses the focus.
    if (!label && document.activeElement === button) this.#parts.close.focus();
    button.hidden = !label;
    if (!label) return;
    this.#labelButton(button, label);
    setIcon(this.#parts.pauseIcon, label === "Resume" ? "resume" : "pause");
  }

  /** @param {number} fraction */
  #setBar(fraction) {
    this.#parts.bar.value = fraction;
    this.#parts.percent.textContent = `${Math.floor(fraction * 100)} %`;
  }

  /** @param {string[]} items */
  #setDetail(...items) {
    this.#parts.detail.textContent = items.join(" · ");
  }
}
