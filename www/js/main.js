/** Entry point of the library page: the uploader element above the list of earlier videos. */

import "@greloupis/uploader/element";
import { getToken, requestToken } from "./auth.js";
import { createElement, typedElementById } from "./dom.js";
import { Videos } from "./videos.js";

/** @typedef {import("@greloupis/uploader/element").GreloupisUploaderElement} Uploader */

const uploader = /** @type {Uploader} */ (typedElementById("uploader", HTMLElement));
const isShown = (/** @type {string} */ videoId) => uploader.videoIds.includes(videoId);
const videos = new Videos(isShown, () => uploader.queue.getSnapshot().unfinished.map(({ videoId }) => videoId));

uploader.token = () => getToken() || undefined;
uploader.readyContent = ({ videoId }) =>
  createElement("a", { href: `watch.html?v=${videoId}`, className: "button small", textContent: "Watch" });
uploader.addEventListener("fileremoved", ({ detail: { item } }) => {
  if (item.videoId) videos.show(item.videoId);
});
uploader.addEventListener("uploaderror", async ({ detail: { item, error } }) => {
  if (error.code !== "unauthorized") return;
  if (await requestToken(getToken())) uploader.queue.retry(item);
});

// The list leaves out what is shown as unfinished, so that is loaded first.
uploader.queue.loadUnfinished().finally(() => videos.loadPage());
