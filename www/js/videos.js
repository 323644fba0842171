/** The list of earlier videos: a page at a time, those that aren't finished kept up to date. */

import { follow, getVideo, isFinal, listVideos } from "./api.js";
import { byId, el, fromTemplate, icon, showName, showPicture } from "./dom.js";
import { nameOf } from "./names.js";
import { clock, facts, moment, problem, reason } from "./words.js";

const PAGE = 12;

/** What stands under a video's name, besides its date. */
const LABELS = {
  uploading: "Not completely uploaded",
  uploaded: "Waiting for the converter",
  converting: "Converting",
  failed: "Couldn't be converted",
  canceled: "The conversion was stopped",
};

export class Videos {
  #cursor;
  #elsewhere;
  #shown = new Map();

  /** `elsewhere(videoId)` tells whether the page already shows a video in another place. */
  constructor(elsewhere) {
    this.#elsewhere = elsewhere;
    byId("older").addEventListener("click", () => this.load());
  }

  /** Adds the next page; the first one on the first call. */
  async load() {
    const [note, older] = [byId("videos-note"), byId("older")];
    older.disabled = true;
    try {
      const { videos, cursor } = await listVideos({ limit: PAGE, cursor: this.#cursor });
      this.#cursor = cursor;
      for (const video of videos) if (!this.#elsewhere(video.videoId)) this.#add(video, "append");
      older.hidden = !cursor;
      older.textContent = "Show older";
      this.#empty();
    } catch (error) {
      const { what, next } = problem(error);
      note.textContent = `${what} ${next}`;
      note.hidden = false;
      older.textContent = "Try again";
      older.hidden = false;
    }
    older.disabled = false;
  }

  /** Puts a video on top that has just left its other place. */
  async show(videoId) {
    const video = await getVideo(videoId).catch(() => undefined);
    if (video) this.#add(video, "prepend");
    this.#empty();
  }

  #empty() {
    const note = byId("videos-note");
    note.textContent = "Nothing here yet. What you send will be kept here.";
    note.hidden = this.#shown.size > 0;
    // They hold the place until there is something.
    if (note.hidden) for (const ghost of document.querySelectorAll(".ghost")) ghost.remove();
  }

  #add(video, where) {
    if (this.#shown.has(video.videoId)) return;
    const { root, parts } = fromTemplate("video");
    this.#shown.set(video.videoId, root);
    byId("videos")[where](root);
    render(root, parts, video);
    if (isFinal(video)) return;
    const { signal } = new AbortController();
    // What goes wrong for good is told when the video is opened; until then the last state stands.
    follow(video.videoId, (newer) => render(root, parts, newer), signal).catch(() => {});
  }
}

function render(root, parts, video) {
  const ready = video.status === "ready";
  const changed = root.dataset.state !== video.status;
  root.dataset.state = video.status;
  parts.percent.textContent = video.status === "converting" ? `${video.progress} %` : "";
  if (!changed) return;
  parts.open.href = `#v=${video.videoId}`;
  showName(parts.name, nameOf(video));
  icon(parts.icon, ready ? "play" : video.status === "failed" ? "alert" : "film");
  parts.icon.parentElement.classList.toggle("solid", ready);
  if (ready && video.urls.poster) showPicture(parts.slot, video.urls.poster);
  parts.duration.hidden = !ready || !video.durationMs;
  if (video.durationMs) parts.duration.textContent = clock(video.durationMs);
  const line = ready ? facts({ ...video, durationMs: 0 }) : LABELS[video.status];
  const small = video.status === "failed" ? reason(video) : moment(video.createdAt);
  parts.line.replaceChildren(line, el("span", { textContent: small, title: small }));
}
