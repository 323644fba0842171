// Shows the element in all its states, without a server: an engine that stands still plays the uploads.
//
// To look at it: `cargo xtask pack`, then serve target/npm/package as `/vendor/uploader/` and this folder beside it; the
// browser tests do so.

import { GreloupisUploaderElement, UploadQueue } from "/vendor/uploader/element/class.js";

const never = new Promise(() => {});
const parameters = new URLSearchParams(location.search);
const MB = 1e6;

/** By file name: the events that an upload has, and its end. */
const scripts = {};

function upload(file) {
  const { events = [], stored, ready, error } = scripts[file.name] ?? {};
  const failure = () => Promise.reject(Object.assign(new Error(error.message ?? ""), { code: error.code }));
  const done = stored || ready ? Promise.resolve({ videoId: `id-${file.name}` }) : error ? failure() : never;
  const end = ready ? Promise.resolve(ready) : never;
  return {
    done,
    ready: end,
    state: "starting",
    pause() {},
    resume() {},
    cancel() {},
    async *[Symbol.asyncIterator]() {
      yield* events;
      await end;
    },
  };
}

class GalleryElement extends GreloupisUploaderElement {
  createQueue() {
    return new UploadQueue({}, { upload, resumable: async () => this.unfinished ?? [] });
  }
}
customElements.define("greloupis-uploader", GalleryElement);

/** A file that only claims its size. */
const fileOf = (name, size) =>
  Object.defineProperty(new File(["-"], name, { type: "video/mp4" }), "size", { value: size });

const state = (name) => ({ type: "state", state: name });
const media = { type: "media", durationMs: 93_000, width: 1920, height: 1080 };
const progress = (sent, total, bytesPerSecond) => ({
  ...{ type: "progress", sent, total, bytesPerSecond },
  etaSeconds: bytesPerSecond ? (total - sent) / bytesPerSecond : undefined,
});

async function poster(hue) {
  const canvas = new OffscreenCanvas(320, 180);
  const context = canvas.getContext("2d");
  const gradient = context.createLinearGradient(0, 0, 120, 180);
  gradient.addColorStop(0, `hsl(${hue} 70% 62%)`);
  gradient.addColorStop(1, `hsl(${hue + 60} 60% 28%)`);
  context.fillStyle = gradient;
  context.fillRect(0, 0, 320, 180);
  context.fillStyle = "rgb(255 255 255 / 70%)";
  context.arc(230, 70, 26, 0, 7);
  context.fill();
  return { type: "poster", image: await canvas.convertToBlob({ type: "image/jpeg" }) };
}

const FILES = {
  "Ferry to Paros.mp4": {
    size: 412 * MB,
    events: [state("uploading"), media, await poster(205), progress(261 * MB, 412 * MB, 9.4 * MB)],
  },
  "Sunset at Naxos – the long cut with everybody's greetings.mov": {
    size: 1840 * MB,
    events: [state("uploading"), media, await poster(18), progress(312 * MB, 1840 * MB, 9.1 * MB)],
  },
  "Night swim.mp4": {
    size: 88 * MB,
    events: [state("uploading"), media, await poster(265), progress(40 * MB, 88 * MB, 0), state("paused")],
  },
  "Harbour.mkv": {
    size: 620 * MB,
    events: [state("uploading"), media, progress(40 * MB, 620 * MB, 0), { ...state("waiting"), pausedElsewhere: true }],
  },
  "Goats.mp4": {
    size: 55 * MB,
    events: [state("uploaded"), media, await poster(95), state("converting"), { type: "converting", percent: 64 }],
    stored: true,
  },
  "Olive harvest.mp4": { size: 140 * MB, events: [media, await poster(65)], ready: { videoId: "x", urls: {} } },
  "Letter.mp4": { size: 8_000, error: { code: "not_a_video" } },
  "Wedding.mp4": {
    size: 2200 * MB,
    events: [state("uploading"), media, await poster(330), progress(1980 * MB, 2200 * MB, 0)],
    error: { code: "network" },
  },
  "Windmill.mp4": { size: 96 * MB },
};
Object.assign(scripts, FILES);

const NAMES = Object.keys(FILES);
const left = (fileName, size, sent) => ({
  endpoint: "",
  fileName,
  size,
  sent,
  lastModified: 0,
  startedAt: 0,
  forget: async () => {},
});

/** Attributes, files by index, and what else is done to the element. */
const STATES = {
  empty: { attributes: { multiple: "", "max-files": "10", "max-size": "5GB", "max-duration": "3600", directory: "" } },
  single: { attributes: {} },
  dragging: { attributes: { multiple: "", "data-dragging": "" } },
  queue: { attributes: { multiple: "", "parallel-files": "9", "editable-titles": "" }, files: [0, 1, 2, 3, 4, 5, 8] },
  failing: {
    attributes: { multiple: "", accept: ".mp4,.mov", "parallel-files": "9" },
    files: [6, 7],
    more: (element) =>
      element.queue.add([
        fileOf("Minutes of the meeting.pdf", 90_000),
        fileOf("Tax.xlsx", 12_000),
        fileOf("Letter.mp4", 0),
      ]),
  },
  unfinished: {
    attributes: { multiple: "" },
    unfinished: [left("Ferry to Paros.mp4", 412 * MB, 261 * MB), left("Wedding.mp4", 2200 * MB, 1980 * MB)],
  },
  done: {
    attributes: { multiple: "", "parallel-files": "9" },
    files: [5],
    readyContent: () => Object.assign(document.createElement("a"), { href: "#watch", textContent: "Watch the video" }),
  },
  compact: {
    attributes: { multiple: "", layout: "compact", "max-size": "5GB", "parallel-files": "9" },
    files: [0, 4, 7],
  },
  button: { attributes: { layout: "button", "max-size": "500MB" } },
  disabled: { attributes: { multiple: "", disabled: "" } },
};

document.documentElement.dataset.theme = parameters.get("theme") ?? "";
document.documentElement.lang = parameters.get("lang") ?? "en";
document.documentElement.dir = ["ar"].includes(parameters.get("lang") ?? "") ? "rtl" : "ltr";
const only = parameters.get("only");
for (const [name, { attributes, files = [], unfinished, readyContent, more }] of Object.entries(STATES)) {
  if (only && only !== name) continue;
  const element = document.createElement("greloupis-uploader");
  element.unfinished = unfinished;
  element.readyContent = readyContent;
  element.id = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.setAttribute("allow-leave", "");
  element.endpoint = "/api";
  if (unfinished) for (const upload of unfinished) upload.endpoint = new URL("/api", location.href).href;
  const heading = Object.assign(document.createElement("h2"), { textContent: name });
  document.querySelector("main").append(heading, element);
  if (files.length > 0) element.queue.add(files.map((index) => fileOf(NAMES[index], FILES[NAMES[index]].size)));
  more?.(element);
}
