/** The dialog that plays a video or shows why it can't. Opened by the address `#v=ID`. */

import { pollVideo } from "./api.js";
import { buttonById, createElement, dialogById, downloadLinks, elementById, showName, videoById } from "./dom.js";
import { formatDateTime, formatDuration, formatVideoInfo } from "./format.js";
import { conversionError, describeError } from "./messages.js";
import { play } from "./player.js";
import { videoName } from "./video_names.js";

/** @typedef {import("@greloupis/uploader").Video} Video */

// job.json takes a thumbnail every 3 s.
const THUMBNAIL_INTERVAL_SECONDS = 3;

/** Aborted when the shown video is closed or replaced. */
let current = new AbortController();

/** Opens the video in the address now and whenever the address changes. */
export function openFromAddress() {
  const dialog = dialogById("player-dialog");
  addEventListener("hashchange", onAddressChange);
  dialog.addEventListener("close", () => {
    current.abort();
    if (videoInAddress()) history.pushState(null, "", location.pathname + location.search);
  });
  // The content covers the dialog's whole box, so a click whose target is the dialog is one on its backdrop.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  onAddressChange();
}

function videoInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("v");
}

function onAddressChange() {
  const id = videoInAddress();
  current.abort();
  if (!id) return dialogById("player-dialog").close();
  current = new AbortController();
  // Plays at once after a click in the page; an address opened directly shows the play button.
  show(id, current.signal, navigator.userActivation?.isActive ?? false);
}

/**
 * @param {string} id
 * @param {AbortSignal} signal
 * @param {boolean} autoplay
 */
async function show(id, signal, autoplay) {
  const dialog = dialogById("player-dialog");
  clear();
  showNote("One moment…");
  if (!dialog.open) dialog.showModal();
  try {
    await pollVideo(id, (video) => render(video, signal, autoplay), signal);
  } catch (error) {
    const { summary, advice } = describeError(error);
    showNote(`${summary} ${advice}`);
  }
}

function clear() {
  elementById("player-title").textContent = "";
  for (const part of ["info", "links", "thumbnails"]) elementById(`player-${part}`).replaceChildren();
  elementById("player-play").hidden = true;
  const video = videoById("player-video");
  video.removeAttribute("poster");
  video.controls = false;
}

/**
 * @param {Video} video
 * @param {AbortSignal} signal
 * @param {boolean} autoplay
 */
function render(video, signal, autoplay) {
  showName(elementById("player-title"), videoName(video));
  elementById("player-info").textContent = `${formatVideoInfo(video)} · ${formatDateTime(video.createdAt)}`;
  if (video.status === "ready") return renderReady(video, signal, autoplay);
  if (video.status === "failed") {
    const { summary, advice } = describeError({ code: "conversion_failed" });
    return showNote(summary, advice, conversionError(video));
  }
  if (video.status === "canceled") {
    const { summary, advice } = describeError({ code: "conversion_canceled" });
    return showNote(summary, advice);
  }
  if (video.status === "converting") {
    return showNote(`Converting, ${video.progress} %`, "It plays here when it is done.");
  }
  if (video.status === "uploaded") return showNote("Waiting for the converter", "It plays here when it is done.");
  showNote("Not all of it has been uploaded yet", "It plays here once it is.");
}

/**
 * @param {Video} video
 * @param {AbortSignal} signal
 * @param {boolean} autoplay
 */
function renderReady({ urls }, signal, autoplay) {
  if (!urls) return;
  const { hls, mp4, thumbnails, poster } = urls;
  const [element, button] = [videoById("player-video"), buttonById("player-play")];
  showNote("");
  elementById("player-links").replaceChildren(downloadLinks(mp4));
  if (poster) element.poster = poster;
  let started = false;
  const start = () => {
    if (started) return;
    started = true;
    button.hidden = true;
    element.controls = true;
    element.focus();
    signal.addEventListener("abort", play(element, hls, showNote), { once: true });
  };
  const seek = (/** @type {number} */ seconds) => {
    start();
    const apply = () => {
      element.currentTime = seconds;
    };
    if (element.readyState > 0) apply();
    else element.addEventListener("loadedmetadata", apply, { once: true, signal });
  };
  button.addEventListener("click", start, { signal });
  const items = thumbnails.map((url, index) => thumbnailItem(url, index * THUMBNAIL_INTERVAL_SECONDS, seek));
  elementById("player-thumbnails").replaceChildren(...items);
  if (autoplay) return start();
  button.hidden = false;
  button.focus();
}

/**
 * @param {string} url
 * @param {number} seconds
 * @param {(seconds: number) => void} seek
 */
function thumbnailItem(url, seconds, seek) {
  const time = formatDuration(seconds * 1000);
  const image = createElement("img", { src: url, alt: "", decoding: "async" });
  const button = createElement("button", { type: "button" }, image);
  button.append(createElement("span", { className: "duration", textContent: time }));
  button.setAttribute("aria-label", `Play from ${time}`);
  button.addEventListener("click", () => seek(seconds));
  return createElement("li", {}, button);
}

/** @param {string[]} sentences */
function showNote(...sentences) {
  const lines = sentences.filter(Boolean).map((sentence) => createElement("span", { textContent: sentence }));
  elementById("player-note").replaceChildren(...lines);
}
