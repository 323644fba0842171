/** Entry point of the watch page, `watch.html?v=ID&t=SECONDS`: plays a video, or says why it can't. */

import { pollVideo } from "./api.js";
import { buttonById, createElement, downloadLinks, elementById } from "./dom.js";
import { formatDateTime, formatDuration, formatVideoInfo, videoName } from "./format.js";
import { conversionError, describeError } from "./messages.js";

/** @typedef {import("@greloupis/uploader").Video} Video */

/** Seconds between two thumbnails: a quarter of the video, at least 3. @param {number} durationMs */
const thumbnailInterval = (durationMs) => Math.max(3, Math.floor(durationMs / 4000));

const parameters = new URLSearchParams(location.search);
const media = /** @type {HTMLVideoElement} */ (document.querySelector("#media"));

/** What stands in the player's place for each state in which it can't play. */
const NOTES = {
  uploading: ["Not all of it has been uploaded yet", "It plays here once it is."],
  uploaded: ["Waiting for the converter", "It plays here when it is done."],
  canceled: ["The conversion was stopped.", "Send the file again if you want it after all."],
};

/** @param {Video} video */
function render(video) {
  const name = videoName(video);
  document.title = name;
  elementById("title").textContent = name;
  elementById("info").textContent = `${formatVideoInfo(video)} · ${formatDateTime(video.createdAt)}`;
  if (video.status === "ready") return play(video);
  if (video.status === "failed") {
    const { summary, advice } = describeError({ code: "conversion_failed" });
    return showNote(summary, advice, conversionError(video));
  }
  if (video.status === "converting") {
    return showNote(`Converting, ${video.progress} %`, "It plays here when it is done.");
  }
  showNote(...NOTES[video.status]);
}

/** @param {Video} video */
async function play({ urls, durationMs = 0 }) {
  if (!urls) return;
  await customElements.whenDefined("hls-video");
  showNote();
  elementById("player").hidden = false;
  if (urls.poster) elementById("poster").setAttribute("src", urls.poster);
  if (urls.storyboard) {
    // media-chrome shows its pictures while the pointer moves over the time range.
    const track = createElement("track", {
      default: true,
      kind: "metadata",
      label: "thumbnails",
      src: urls.storyboard,
    });
    media.append(track);
  }
  media.src = urls.hls;
  const start = Number(parameters.get("t"));
  if (start > 0) seek(start);
  elementById("links").replaceChildren(downloadLinks(urls.mp4));
  elementById("scenes").replaceChildren(
    ...urls.thumbnails.map((url, index) => scene(url, index * thumbnailInterval(durationMs))),
  );
  buttonById("share").hidden = false;
}

/** @param {number} seconds */
function seek(seconds) {
  const apply = () => (media.currentTime = seconds);
  if (media.readyState > 0) apply();
  else media.addEventListener("loadedmetadata", apply, { once: true });
}

/**
 * @param {string} url
 * @param {number} seconds
 */
function scene(url, seconds) {
  const time = formatDuration(seconds * 1000);
  const image = createElement("img", { src: url, alt: "", decoding: "async" });
  const button = createElement("button", { type: "button" }, image);
  button.append(createElement("span", { className: "duration", textContent: time }));
  button.setAttribute("aria-label", `Play from ${time}`);
  button.addEventListener("click", () => {
    seek(seconds);
    media.play().catch(() => {});
  });
  return createElement("li", {}, button);
}

/** @param {string[]} sentences */
function showNote(...sentences) {
  const lines = sentences.filter(Boolean).map((sentence) => createElement("span", { textContent: sentence }));
  elementById("note").replaceChildren(...lines);
}

buttonById("share").addEventListener("click", async ({ currentTarget }) => {
  const url = new URL(location.href);
  url.searchParams.set("t", String(Math.floor(media.currentTime)));
  history.replaceState(null, "", url);
  const button = /** @type {HTMLButtonElement} */ (currentTarget);
  // Without permission, the address bar has it.
  const copied = await navigator.clipboard?.writeText(url.href).then(
    () => true,
    () => false,
  );
  button.textContent = copied ? "Copied" : "The link is in the address bar";
});

pollVideo(parameters.get("v") ?? "", render, new AbortController().signal).catch((error) => {
  const { summary, advice } = describeError(error);
  showNote(summary, advice);
});
