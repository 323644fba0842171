/** One upload on the page, from a chosen file to a video that plays. How bytes travel is the uploader's business. */

import { upload } from "@greloupis/uploader";
import * as access from "./access.js";
import { ENDPOINT, getVideo } from "./api.js";
import { announce, downloads, el, fromTemplate, icon, showName, showPicture } from "./dom.js";
import { remember } from "./names.js";
import { bytes, bytesOf, clock, facts, left, problem, reason } from "./words.js";

// Numbers that change faster than this can't be read; the bar itself follows each event.
const READABLE_MS = 250;

/** What a card calls each of its states, and its closing button in it. */
const STATES = {
  waiting: { label: "Waiting for its turn", close: "Cancel" },
  starting: { label: "Starting", close: "Cancel" },
  uploading: { label: "Uploading", close: "Cancel" },
  finishing: { label: "Checking what arrived", close: "Cancel" },
  uploaded: { label: "Stored, waiting for the converter", close: "Hide" },
  converting: { label: "Converting", close: "Hide" },
  ready: { label: "Ready", close: "Hide" },
  failed: { label: "Failed", close: "Remove" },
  canceled: { label: "Canceled", close: "Remove" },
};

const UNSENT = ["waiting", "starting", "uploading", "finishing"];

export class Card {
  #file;
  #state;
  #run;
  #parts;
  #readAt = 0;
  #dropped;
  #restart;

  /** `restart()` is asked when the file is to be sent again; `dropped(video?)` when the card is to go. */
  constructor(file, { restart, dropped }) {
    const { root, parts } = fromTemplate("card");
    this.root = root;
    this.#file = file;
    this.#parts = parts;
    this.#restart = restart;
    this.#dropped = dropped;
    showName(parts.name, file.name);
    parts.close.addEventListener("click", () => this.#close());
    parts.again.addEventListener("click", () => this.#restart());
    this.wait();
  }

  /** The video's id once the file is stored. */
  videoId;

  /** Whether leaving the page now would lose bytes. */
  get unsent() {
    return UNSENT.includes(this.#state);
  }

  get waiting() {
    return this.#state === "waiting";
  }

  /** Back to the start, as one that nothing has been done for. */
  wait() {
    this.#to("waiting");
    this.#bar(0);
    this.#say(bytes(this.#file.size));
  }

  /** Sends the file; resolves when the way is free for another, however that came. */
  async send() {
    const token = access.token();
    const run = upload(this.#file, { endpoint: ENDPOINT, token: () => access.token() || undefined });
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
    if (await access.ask(refused)) this.#restart();
    else this.#fail(error);
  }

  async #listen(run) {
    for await (const event of run) {
      if (event.type === "state" && event.state in STATES) this.#enter(event.state);
      else if (event.type === "progress") this.#progress(event);
      else if (event.type === "converting") this.#converting(event.percent);
      else if (event.type === "retry") this.#say("The connection is troubled; trying again by itself");
    }
  }

  /** States that the end brings are entered with what belongs to them, by `#ready` and `#fail`. */
  #enter(state) {
    if (["ready", "failed", "canceled"].includes(state)) return;
    this.#to(state);
    if (state === "finishing") this.#say("Comparing checksums");
    if (state === "uploaded") this.#converting(0);
  }

  #progress({ sent, total, bytesPerSecond, etaSeconds }) {
    if (this.#state !== "uploading") return;
    this.#bar(sent / total);
    const now = performance.now();
    if (now - this.#readAt < READABLE_MS) return;
    this.#readAt = now;
    const speed = bytesPerSecond > 0 ? `${bytes(bytesPerSecond)}/s` : "";
    this.#say(...[bytesOf(sent, total), speed, left(etaSeconds)].filter(Boolean));
  }

  #converting(percent) {
    this.#bar(percent / 100);
    this.#say(`${bytes(this.#file.size)} stored`, "goes on even if you leave");
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
    else if (this.root.isConnected) this.#dropped();
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

  #close() {
    if (this.waiting) return this.#fail({ code: "canceled" });
    if (this.unsent) return this.#run.cancel();
    this.#dropped();
    this.#run?.cancel();
  }

  #to(state, news = STATES[state].label) {
    if (this.#state === state) return;
    this.#state = state;
    const { close, again, bar, links } = this.#parts;
    const done = state === "ready" || state === "failed" || state === "canceled";
    this.root.dataset.state = state;
    this.#parts.state.textContent = STATES[state].label;
    bar.hidden = done;
    bar.setAttribute("aria-label", STATES[state].label);
    links.hidden = true;
    again.hidden = state !== "failed" && state !== "canceled";
    icon(this.#parts.icon, state === "failed" ? "alert" : "film");
    close.setAttribute("aria-label", `${STATES[state].close}: ${this.#file.name}`);
    close.title = STATES[state].close;
    this.#readAt = 0;
    if (state !== "waiting" && state !== "starting") announce(`${this.#file.name}: ${news}`);
  }

  #bar(share) {
    this.#parts.bar.value = share;
    this.#parts.percent.textContent = `${Math.floor(share * 100)} %`;
  }

  #say(...pieces) {
    this.#parts.detail.textContent = pieces.join(" · ");
  }
}
