/** The dialog in which a video plays, or tells why it doesn't. The address `#v=ID` opens it. */

import { follow } from "./api.js";
import { byId, downloads, el, showName } from "./dom.js";
import { nameOf } from "./names.js";
import { play } from "./player.js";
import { clock, facts, moment, problem, reason } from "./words.js";

// job.json takes a picture each three seconds.
const SCENE_SECONDS = 3;

let open = new AbortController();

/** Follows the address from now on. */
export function watchAddress() {
  const dialog = byId("watch");
  addEventListener("hashchange", follows);
  dialog.addEventListener("close", () => {
    open.abort();
    if (videoInAddress()) history.pushState(null, "", location.pathname + location.search);
  });
  // A click on the backdrop is one on the dialog itself; what it shows covers all of its inside.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  follows();
}

function videoInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("v");
}

function follows() {
  const id = videoInAddress();
  open.abort();
  if (!id) return byId("watch").close();
  open = new AbortController();
  // A click in the page asks for the video; an address that is opened only shows it.
  show(id, open.signal, navigator.userActivation?.isActive ?? false);
}

async function show(id, signal, atOnce) {
  const dialog = byId("watch");
  clear();
  note("One moment…");
  if (!dialog.open) dialog.showModal();
  try {
    await follow(id, (video) => render(video, signal, atOnce), signal);
  } catch (error) {
    const { what, next } = problem(error);
    note(`${what} ${next}`);
  }
}

function clear() {
  byId("watch-title").textContent = "";
  for (const part of ["facts", "links", "thumbnails"]) byId(`watch-${part}`).replaceChildren();
  byId("watch-play").hidden = true;
  const video = byId("watch-video");
  video.removeAttribute("poster");
  video.controls = false;
}

function render(video, signal, atOnce) {
  showName(byId("watch-title"), nameOf(video));
  byId("watch-facts").textContent = `${facts(video)} · ${moment(video.createdAt)}`;
  if (video.status === "ready") return offer(video, signal, atOnce);
  if (video.status === "failed") {
    const { what, next } = problem({ code: "conversion_failed" });
    return note(what, next, reason(video));
  }
  if (video.status === "canceled") {
    const { what, next } = problem({ code: "conversion_canceled" });
    return note(what, next);
  }
  if (video.status === "converting") return note(`Converting, ${video.progress} %`, "It plays here when it is done.");
  if (video.status === "uploaded") return note("Waiting for the converter", "It plays here when it is done.");
  note("Not all of it has been uploaded yet", "It plays here once it is.");
}

function offer(video, signal, atOnce) {
  const { hls, mp4, thumbnails, poster } = video.urls;
  const [screen, button] = [byId("watch-video"), byId("watch-play")];
  note("");
  byId("watch-links").replaceChildren(downloads(mp4));
  if (poster) screen.poster = poster;
  let playing = false;
  const start = () => {
    if (playing) return;
    playing = true;
    button.hidden = true;
    screen.controls = true;
    screen.focus();
    signal.addEventListener("abort", play(screen, hls, note), { once: true });
  };
  const jump = (seconds) => {
    start();
    const go = () => (screen.currentTime = seconds);
    if (screen.readyState > 0) go();
    else screen.addEventListener("loadedmetadata", go, { once: true, signal });
  };
  button.addEventListener("click", start, { signal });
  const scenes = thumbnails.map((url, index) => scene(url, index * SCENE_SECONDS, jump));
  byId("watch-thumbnails").replaceChildren(...scenes);
  if (atOnce) return start();
  button.hidden = false;
  button.focus();
}

function scene(url, seconds, jump) {
  const button = el("button", { type: "button" }, el("img", { src: url, alt: "", decoding: "async" }));
  button.append(el("span", { className: "duration", textContent: clock(seconds * 1000) }));
  button.setAttribute("aria-label", `Play from ${clock(seconds * 1000)}`);
  button.addEventListener("click", () => jump(seconds));
  return el("li", {}, button);
}

function note(...sentences) {
  const lines = sentences.filter(Boolean).map((sentence) => el("span", { textContent: sentence }));
  byId("watch-note").replaceChildren(...lines);
}
