/** The list of earlier videos, loaded in pages; videos that aren't final are polled. */

import { getVideo, isFinal, listVideos, pollVideo } from "./api.js";
import { buttonById, createElement, elementById, fromTemplate, inputById, showImage } from "./dom.js";
import { formatDateTime, formatDuration, formatVideoInfo, videoName } from "./format.js";
import { conversionError, describeError } from "./messages.js";
import { askForTitle, askToDelete } from "./video_dialogs.js";

/**
 * @typedef {import("@greloupis/uploader").Video} Video
 * @typedef {{
 *   open: HTMLAnchorElement,
 *   preview: HTMLElement,
 *   percent: HTMLElement,
 *   duration: HTMLElement,
 *   name: HTMLElement,
 *   line: HTMLElement,
 *   rename: HTMLButtonElement,
 *   remove: HTMLButtonElement,
 * }} Parts
 */

const PAGE_SIZE = 12;

/**
 * Labels of the states in which a video doesn't play.
 *
 * @type {Record<Video["status"], string>}
 */
const LABELS = {
  uploading: "Not completely uploaded",
  uploaded: "Waiting for the converter",
  converting: "Converting",
  ready: "",
  failed: "Couldn't be converted",
  canceled: "The conversion was stopped",
};

export class Videos {
  /** @type {string | undefined} */
  #cursor;
  #isShown;
  #unfinished;
  /** @type {Set<string>} */
  #videoIds = new Set();

  /**
   * `isShown(videoId)` is whether the uploader shows a video, `unfinished()` the ids of unfinished uploads; the list
   * leaves out both.
   *
   * @param {(videoId: string) => boolean} isShown
   * @param {() => (string | undefined)[]} unfinished
   */
  constructor(isShown, unfinished) {
    this.#isShown = isShown;
    this.#unfinished = unfinished;
    buttonById("show-older").addEventListener("click", () => this.loadPage());
    inputById("search").addEventListener("input", () => this.#search());
  }

  /** Hides the videos whose names don't have the words. */
  #search() {
    const words = inputById("search").value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    for (const root of document.querySelectorAll(".video")) {
      const name = root.querySelector(".name")?.textContent?.toLocaleLowerCase() ?? "";
      root.toggleAttribute("hidden", !words.every((word) => name.includes(word)));
    }
  }

  /** Loads and appends the next page; the first one on the first call. */
  async loadPage() {
    const [note, showOlder] = [elementById("videos-note"), buttonById("show-older")];
    showOlder.disabled = true;
    try {
      const { videos, cursor } = await listVideos({ limit: PAGE_SIZE, cursor: this.#cursor });
      this.#cursor = cursor;
      const unfinished = this.#unfinished();
      for (const video of videos) {
        const { videoId } = video;
        if (!this.#isShown(videoId) && !unfinished.includes(videoId)) this.#add(video, "append");
      }
      showOlder.hidden = !cursor;
      showOlder.textContent = "Show older";
      this.#updateNote();
    } catch (error) {
      const { summary, advice } = describeError(error);
      note.textContent = `${summary} ${advice}`;
      note.hidden = false;
      showOlder.textContent = "Try again";
      showOlder.hidden = false;
    }
    showOlder.disabled = false;
  }

  /**
   * Adds a video at the top after its row was removed from the uploader.
   *
   * @param {string} videoId
   */
  async show(videoId) {
    const video = await getVideo(videoId).catch(() => undefined);
    if (video) this.#add(video, "prepend");
    this.#updateNote();
  }

  #updateNote() {
    const note = elementById("videos-note");
    note.textContent = "Nothing here yet. What you send will be kept here.";
    note.hidden = this.#videoIds.size > 0;
    inputById("search").hidden = this.#videoIds.size < 2;
    this.#search();
    if (note.hidden) for (const placeholder of document.querySelectorAll(".placeholder")) placeholder.remove();
  }

  /**
   * @param {Video} video
   * @param {"append" | "prepend"} position
   */
  #add(video, position) {
    if (this.#videoIds.has(video.videoId)) return;
    /** @type {{ root: HTMLElement, parts: Parts }} */
    const { root, parts } = fromTemplate("video");
    this.#videoIds.add(video.videoId);
    elementById("videos")[position](root);
    let current = video;
    const polling = new AbortController();
    const update = (/** @type {Video} */ newer) => {
      current = newer;
      render(root, parts, newer);
    };
    update(video);
    parts.rename.addEventListener("click", async () => {
      const changed = await askForTitle(current);
      if (changed) update(changed);
    });
    parts.remove.addEventListener("click", async () => {
      if (!(await askToDelete(current))) return;
      polling.abort();
      const next = root.nextElementSibling ?? root.previousElementSibling;
      root.remove();
      this.#videoIds.delete(video.videoId);
      this.#updateNote();
      next?.querySelector("a")?.focus();
    });
    if (isFinal(video)) return;
    // The list keeps the last known state when polling fails; the error is shown when the video is opened.
    pollVideo(video.videoId, update, polling.signal).catch(() => {});
  }
}

/**
 * @param {HTMLElement} root
 * @param {Parts} parts
 * @param {Video} video
 */
function render(root, parts, video) {
  const ready = video.status === "ready";
  const changed = root.dataset.state !== video.status;
  root.dataset.state = video.status;
  parts.percent.textContent = video.status === "converting" ? `${video.progress} %` : "";
  const name = videoName(video);
  parts.name.textContent = name;
  parts.name.title = name;
  parts.rename.setAttribute("aria-label", `Change title: ${name}`);
  parts.remove.setAttribute("aria-label", `Delete: ${name}`);
  if (!changed) return;
  parts.open.href = `watch.html?v=${video.videoId}`;
  if (ready && video.urls?.poster) showImage(parts.preview, video.urls.poster);
  parts.duration.hidden = !ready || !video.durationMs;
  if (video.durationMs) parts.duration.textContent = formatDuration(video.durationMs);
  const line = ready ? formatVideoInfo({ ...video, durationMs: 0 }) : LABELS[video.status];
  const small = video.status === "failed" ? conversionError(video) : formatDateTime(video.createdAt);
  parts.line.replaceChildren(line, createElement("span", { textContent: small, title: small }));
}
