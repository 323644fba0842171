// What stands around the engine: runs in a worker, or on the page's thread where there can be none. Passes
// messages on, keeps what a later page load needs, and sees to it that one file is sent by one tab only.

import { Browser } from "./browser.js";
import init, { Run } from "./engine.js";
import * as store from "./store.js";

/** The name that the page gives its worker; anywhere else this is a module like any other. */
const NAME = "greloupis-uploader";

if (globalThis.WorkerGlobalScope && self.name === NAME) serve(self);

/** Takes uploads from `port` and tells it what becomes of them. */
export function serve(port) {
  const uploads = new Map();
  let engine;
  const load = (wasm) => {
    engine ??= init({ module_or_path: wasm });
    // A failure isn't remembered: the next upload tries again.
    engine.catch(() => (engine = undefined));
    return engine;
  };
  port.onmessage = async ({ data: { id, order, value } }) => {
    switch (order) {
      case "start": {
        const upload = new Upload(value, (message) => port.postMessage({ id, ...message }), () => uploads.delete(id));
        uploads.set(id, upload);
        try {
          await load(value.wasm);
        } catch {
          return upload.tell({ type: "failed", code: "not_loaded", message: "The uploader's engine can't be loaded." });
        }
        return upload.start();
      }
      case "online":
        return uploads.forEach((upload) => upload.order(order, value));
      default:
        uploads.get(id)?.order(order, value);
    }
  };
  port.postMessage({ hello: true });
  // Opening takes some milliseconds, which the first file needn't wait for.
  store.list();
}

/** One upload, as the engine's host: see `web/src/host.rs`. */
class Upload extends Browser {
  #options;
  #post;
  #over;
  #orders = [];
  #asked = new Map();
  #id;
  #channel;
  #release = () => {};
  #told = [];
  #notes = Promise.resolve();

  constructor(options, post, over) {
    super();
    this.#options = options;
    this.file = options.file;
    this.#post = post;
    this.#over = over;
  }

  start() {
    this.run = new Run(this.#options, this);
    for (const [order, value] of this.#orders.splice(0)) this.order(order, value);
  }

  /** What the page wants. */
  order(order, value) {
    if (order === "token") {
      const { ask, token, failed } = value;
      const { resolve, reject } = this.#asked.get(ask) ?? {};
      this.#asked.delete(ask);
      return failed ? reject?.() : resolve?.(token);
    }
    if (order === "draw") return this.#draw(value);
    if (!this.run) return this.#orders.push([order, value]);
    // Another tab does it: it is told so, and everything it does is told here.
    if (this.#channel && this.#following && order !== "online") this.#channel.postMessage({ order, value });
    this.run[order](value);
  }

  /** Makes a picture of a frame. Where that can't be done there is none. */
  async #draw({ frame, width, height }) {
    try {
      const canvas = new OffscreenCanvas(width, height);
      canvas.getContext("2d").drawImage(frame, 0, 0, width, height);
      this.#post({ event: { type: "poster", image: await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 }) } });
    } catch {
      // The page does without.
    } finally {
      frame.close();
    }
  }

  // ---- What the engine asks for

  tell(event) {
    this.#post({ event });
    if (this.#channel && !this.#following) {
      this.#channel.postMessage({ event });
      // Who comes later wants to know where it stands.
      this.#told = [...this.#told.filter(({ type }) => type !== event.type), event];
    }
    if (event.type === "failed" || event.type === "uploaded") this.#notes.then(() => this.#letGo());
    if (event.type === "failed" || event.type === "ready") {
      this.#over();
      // Not from within a call of its own.
      setTimeout(() => this.run?.free());
    }
  }

  token() {
    const ask = Math.random();
    return new Promise((resolve, reject) => {
      this.#asked.set(ask, { resolve, reject });
      this.#post({ ask });
    });
  }

  async claim(fingerprint) {
    const { endpoint, videoId, abandon } = this.#options;
    this.#id = abandon ?? [endpoint, videoId ?? "", fingerprint].join(" ");
    const waited = await this.#lock();
    const found = await store.load(this.#id);
    // The tab that had it has ended it, for everybody.
    if (waited && !found) throw undefined;
    if (found?.expiresAt < Date.now() && !found.stored) {
      await store.remove(this.#id);
      return undefined;
    }
    if (found?.canceled && !abandon) {
      await this.#abandon();
      return undefined;
    }
    if (found && this.#options.handle) this.keep({ handle: this.#options.handle });
    return found;
  }

  keep(note) {
    this.#notes = this.#notes.then(() => this.#write(note));
  }

  // ---- What survives

  async #write(note) {
    const { file, endpoint, handle } = this.#options;
    const { name = "", size, lastModified = 0 } = file;
    const about = { id: this.#id, endpoint, fileName: name, size, lastModified, handle };
    if (note.over) return store.remove(this.#id);
    if (note.part) return store.addPart(this.#id, note);
    if (note.upload || note.stored) return this.#begin({ ...about, startedAt: Date.now(), ...note });
    return store.change(this.#id, note);
  }

  async #begin(record) {
    await store.begin(record);
    // Some browsers can't keep a handle; the rest is worth keeping all the same.
    if (record.handle && !(await store.load(record.id))) await store.begin({ ...record, handle: undefined });
  }

  /** Finishes what an earlier page load canceled and couldn't tell the server. */
  #abandon() {
    const { endpoint } = this.#options;
    const quiet = { file: new Blob(), endpoint, checks: false, anyFile: true, abandon: this.#id, held: true };
    return new Promise((resolve) => {
      const pass = ({ ask }) => ask && this.token().then((token) => other.order("token", { ask, token }), resolve);
      const other = new Upload(quiet, pass, resolve);
      other.start();
    });
  }

  // ---- Other tabs

  #following = false;

  /** Resolves when no other tab has it; whether it had to wait. */
  async #lock() {
    // Without locks, as on pages that came over plain HTTP, tabs don't know of each other.
    if (this.#options.held || !globalThis.navigator?.locks) return false;
    const name = store.nameOf(this.#id);
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    const take = (options) =>
      new Promise((taken) => {
        navigator.locks.request(name, options, (lock) => {
          taken(Boolean(lock));
          return lock && new Promise((release) => (this.#release = release));
        });
      });
    if (await take({ ifAvailable: true })) return false;
    this.#following = true;
    this.#channel.postMessage({ hello: true });
    await take({});
    this.#following = false;
    return true;
  }

  /** From another tab with the same file: the one that sends it tells, the others ask. */
  #hear({ event, order, value, hello }) {
    if (this.#following) {
      if (["state", "progress", "retry", "failed"].includes(event?.type)) this.#post({ event });
      // A good end is known from what it has written down.
      if (event?.type === "failed") this.run.cancel();
    } else if (hello) {
      for (const event of this.#told) this.#channel.postMessage({ event });
    } else if (order) {
      this.order(order, value);
    }
  }

  #letGo() {
    this.#channel?.close();
    this.#channel = undefined;
    this.#release();
  }
}
