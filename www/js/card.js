/** One upload on the page, from a chosen file to a video that plays. How bytes travel is the uploader's business. */

import { upload } from "@greloupis/uploader";
import * as access from "./access.js";
import { ENDPOINT, getVideo } from "./api.js";
import { announce, downloads, el, fromTemplate, icon, showName, showPicture } from "./dom.js";
import { remember } from "./names.js";
import { bytes, bytesOf, clock, facts, left, problem, reason, shape } from "./words.js";

// Numbers that change faster than this can't be read; the bar itself follows each event.
const READABLE_MS = 250;

/** What a card calls each of its states, and its closing button in it. */
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

const UNSENT = ["queued", "starting", "uploading", "paused", "waiting", "finishing"];

export class Card {
  #file;
  #handle;
  #state;
  #run;
  #parts;
  #readAt = 0;
  #moved;
  #stored;
  #tell;

  /**
   * With its handle, a file is found again after a reload. `restart()` is asked when the file is to be sent
   * again, `paused()` when it pauses or goes on, `dropped()` when the card is to go.
   */
  constructor(file, handle, tell) {
    const { root, parts } = fromTemplate("card");
    this.root = root;
    this.#file = file;
    this.#handle = handle;
    this.#parts = parts;
    this.#tell = tell;
    showName(parts.name, file.name);
    parts.pause.addEventListener("click", () => this.#pause());
    parts.close.addEventListener("click", () => this.#close());
    parts.again.addEventListener("click", () => this.#tell.restart());
    this.wait();
  }

  /** The video's id once the file is stored. */
  videoId;

  /** Whether leaving the page now would lose bytes. */
  get unsent() {
    return UNSENT.includes(this.#state);
  }

  get queued() {
    return this.#state === "queued";
  }

  get paused() {
    return this.#state === "paused";
  }

  isOf({ size, lastModified }) {
    return this.#file.size === size && this.#file.lastModified === lastModified;
  }

  /** Back to the start, as one that nothing has been done for. */
  wait() {
    this.#to("queued");
    this.#moved = undefined;
    this.#bar(0);
    this.#say(bytes(this.#file.size));
  }

  /** Sends the file; resolves when the way is free for another, however that came. */
  async send() {
    const token = access.token();
    const run = upload(this.#handle ?? this.#file, { endpoint: ENDPOINT, token: () => access.token() || undefined });
    this.#run = run;
    this.#to("starting");
    const heard = this.#listen(run);
    try {
      const { videoId } = await run.done;
      this.videoId = videoId;
      remember(videoId, this.#file.name);
    } catch (error) {
      await heard;
      // The form can stay open for long; meanwhile others shall go on.
      if (error.code === "unauthorized") this.#authorize(token, error);
      else this.#fail(error);
      return;
    }
    // Events wait to be read; the end must not overtake them.
    heard.then(() => run.ready).then((video) => this.#ready(video), (error) => this.#lost(error));
  }

  async #authorize(refused, error) {
    if (await access.ask(refused)) this.#tell.restart();
    else this.#fail(error);
  }

  async #listen(run) {
    for await (const event of run) {
      if (event.type === "state" && event.state in STATES) this.#enter(event.state);
      else if (event.type === "media") this.#parts.shape.textContent = shape(event);
      else if (event.type === "poster") this.#picture(event.image);
      else if (event.type === "progress") this.#progress(event);
      else if (event.type === "converting") this.#converting(event.percent);
      else if (event.type === "retry" && this.#state === "uploading") {
        this.#say("The connection is troubled; trying again by itself");
      }
    }
  }

  /** States that the end brings are entered with what belongs to them, by `#ready` and `#fail`. */
  #enter(state) {
    if (["ready", "failed", "canceled"].includes(state)) return;
    this.#to(state);
    if (state === "finishing") this.#say("Comparing checksums");
    else if (state === "uploaded" || state === "unverified") {
      this.#stored = `${bytes(this.#file.size)} stored${state === "uploaded" ? "" : ", though not compared"}`;
      this.#converting(0);
    }
    else this.#sayMoved();
  }

  #picture(image) {
    const url = URL.createObjectURL(image);
    showPicture(this.#parts.slot, url).finally(() => URL.revokeObjectURL(url));
  }

  #progress(event) {
    this.#moved = event;
    if (!["uploading", "paused", "waiting"].includes(this.#state)) return;
    this.#bar(event.sent / event.total);
    const now = performance.now();
    if (now - this.#readAt < READABLE_MS) return;
    this.#readAt = now;
    this.#sayMoved();
  }

  /** How far it is, as it is said in this state. */
  #sayMoved() {
    const waits = this.#state === "waiting" ? "goes on by itself" : "";
    if (!this.#moved) return waits && this.#say(waits);
    const { sent, total, bytesPerSecond, etaSeconds } = this.#moved;
    const moves = this.#state === "uploading" && bytesPerSecond > 0;
    const how = moves ? [`${bytes(bytesPerSecond)}/s`, left(etaSeconds)] : [waits];
    this.#say(bytesOf(sent, total), ...how.filter(Boolean));
  }

  #converting(percent) {
    this.#bar(percent / 100);
    this.#say(this.#stored, "you may leave");
  }

  #ready(video) {
    this.#to("ready");
    const { slot, duration, links } = this.#parts;
    const { poster, mp4 } = video.urls;
    const address = `#v=${video.videoId}`;
    slot.href = address;
    if (poster) showPicture(slot, poster);
    icon(this.#parts.icon, "play");
    this.#parts.icon.parentElement.classList.add("solid");
    duration.textContent = clock(video.durationMs ?? 0);
    duration.hidden = !video.durationMs;
    this.#say(facts(video));
    const watch = el("a", { className: "button primary small", href: address, textContent: "Watch" });
    links.replaceChildren(watch, downloads(mp4));
    links.hidden = false;
  }

  /** The file is stored but there will be no video, or nobody knows. */
  #lost(error) {
    if (error.code.startsWith("conversion_")) this.#fail(error);
    // Sending again would be wrong. The list asks for itself, and for a new access token if need be.
    else if (this.root.isConnected) this.#tell.dropped();
  }

  async #fail(error) {
    if (error.code === "canceled") {
      this.#to("canceled");
      this.#say("Nothing of it was kept");
      return;
    }
    const { what, next, again } = problem(error);
    let small = error.code;
    if (error.code === "conversion_failed") {
      // MediaConvert's number and sentence are the video's.
      small = reason(await getVideo(this.videoId).catch(() => undefined)) || error.message;
    }
    this.#to("failed", what);
    this.#parts.again.hidden = !again;
    this.#parts.state.textContent = what;
    this.#parts.detail.replaceChildren(next, " ", el("span", { className: "code", textContent: small }));
  }

  #pause() {
    if (this.#state === "paused") this.#run.resume();
    else this.#run.pause();
  }

  #close() {
    if (this.queued) return this.#fail({ code: "canceled" });
    if (this.unsent) return this.#run.cancel();
    this.#tell.dropped();
    this.#run?.cancel();
  }

  #to(state, news = STATES[state].label) {
    if (this.#state === state) return;
    const pausing = state === "paused" || this.paused;
    this.#state = state;
    const { close, again, bar, links, pause, shape } = this.#parts;
    const { label } = STATES[state];
    const done = state === "ready" || state === "failed" || state === "canceled";
    this.root.dataset.state = state;
    this.#parts.state.textContent = label;
    bar.hidden = done;
    bar.setAttribute("aria-label", label);
    links.hidden = true;
    shape.hidden = done;
    again.hidden = state !== "failed" && state !== "canceled";
    icon(this.#parts.icon, state === "failed" ? "alert" : "film");
    this.#name(close, STATES[state].close);
    this.#namePause(pause, STATES[state].pause);
    this.#readAt = 0;
    if (state !== "queued" && state !== "starting") announce(`${this.#file.name}: ${news}`);
    if (pausing) this.#tell.paused();
  }

  #name(button, what) {
    button.setAttribute("aria-label", `${what}: ${this.#file.name}`);
    button.title = what;
  }

  #namePause(button, what) {
    // Who has just pressed it must not be left nowhere.
    if (!what && document.activeElement === button) this.#parts.close.focus();
    button.hidden = !what;
    if (!what) return;
    this.#name(button, what);
    icon(this.#parts.pauseIcon, what === "Resume" ? "resume" : "pause");
  }

  #bar(share) {
    this.#parts.bar.value = share;
    this.#parts.percent.textContent = `${Math.floor(share * 100)} %`;
  }

  #say(...pieces) {
    this.#parts.detail.textContent = pieces.join(" · ");
  }
}
