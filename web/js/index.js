// The face of the uploader: checks what it is given, starts the engine when the first file comes, and turns
// the engine's events into promises and an async iterable. How to upload is the engine's business.

/** What went wrong, in a sentence (`message`) and as a stable word (`code`). */
export class UploadError extends Error {
  name = "UploadError";

  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }
}

let chosen = {};
let engine;
let module;

/** Chooses where wasm and worker come from. To be called before the first upload; without it, they lie beside this file. */
export function init(options = {}) {
  check(options, { wasm: () => true, worker: (value) => value === false || isString(value) || value instanceof URL });
  chosen = options;
  engine = module = undefined;
}

/** Starts to send `file`; what becomes of it is told by the returned `Upload`. */
export function upload(file, options) {
  const isHandle = globalThis.FileSystemFileHandle && file instanceof FileSystemFileHandle;
  if (!(file instanceof Blob || isHandle)) throw new TypeError("upload() takes a File, a Blob or a FileSystemFileHandle.");
  check(options, OPTIONS);
  if (options.endpoint === undefined) throw new TypeError("The option `endpoint` is missing.");
  return new Upload(file, { ...options, endpoint: absolute(options.endpoint).replace(/\/+$/, "") });
}

/** What earlier page loads of this site left unfinished and no other tab is sending, the newest first. */
export async function resumable() {
  const store = await import("./store.js");
  const { held = [] } = (await globalThis.navigator?.locks?.query()) ?? {};
  const busy = new Set(held.map(({ name }) => name));
  const open = (await store.list()).filter(
    ({ id, stored, canceled, expiresAt }) => !stored && !canceled && !(expiresAt < Date.now()) && !busy.has(store.nameOf(id)),
  );
  open.sort((a, b) => b.startedAt - a.startedAt);
  return Promise.all(open.map(async (record) => {
    const { id, endpoint, fileName, size, lastModified, startedAt, videoId, partSize, handle } = record;
    const sent = Math.min(size, (await store.countParts(id)) * partSize);
    return {
      endpoint, fileName, size, lastModified, startedAt, videoId, sent, handle,
      async forget({ token } = {}) {
        await store.change(id, { canceled: true });
        const run = new Upload(new Blob(), { endpoint, token, allowAnyFile: true, abandon: id });
        await run.done.catch(() => {});
      },
    };
  }));
}

const MIB = 2 ** 20;
const isString = (value) => typeof value === "string";
const absolute = (url) => new URL(url, globalThis.document?.baseURI ?? location.href).href;

/** Each option, and what it may be. */
const OPTIONS = {
  endpoint: isString,
  token: (value) => isString(value) || typeof value === "function",
  signal: (value) => value instanceof AbortSignal,
  videoId: isString,
  partSize: (value) => Number.isInteger(value) && value % MIB === 0 && value >= 5 * MIB && value <= 5120 * MIB,
  concurrency: (value) => value === "auto" || (Number.isInteger(value) && value >= 1 && value <= 100),
  checksum: (value) => value === "auto" || value === "off",
  allowAnyFile: (value) => typeof value === "boolean",
};

function check(options, known) {
  if (options === null || typeof options !== "object") throw new TypeError("The options are no object.");
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(known, name)) throw new TypeError(`There is no option \`${name}\`.`);
    if (value !== undefined && !known[name](value)) throw new TypeError(`The option \`${name}\` can't be that.`);
  }
}

// ---- The engine, in its worker

const running = new Map();
let last = 0;

/** The port to the engine, started once. A failure isn't remembered: the next upload tries again. */
function connect() {
  engine ??= startWorker().catch(startHere);
  const starting = engine;
  return starting.catch((cause) => {
    if (engine === starting) engine = undefined;
    throw new UploadError("not_loaded", "The uploader's engine can't be loaded.", { cause });
  });
}

async function startWorker() {
  if (chosen.worker === false) throw undefined;
  const options = { type: "module", name: "greloupis-uploader" };
  // Written out, so that bundlers find the worker.
  const worker = chosen.worker
    ? new Worker(chosen.worker, options)
    : new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "greloupis-uploader" });
  await new Promise((started, failed) => {
    worker.onmessage = started;
    worker.onerror = failed;
  });
  worker.onerror = () => {
    engine = undefined;
    const broken = () => new UploadError("internal", "The uploader has stopped by a fault of its own.");
    for (const run of [...running.values()]) run.hear({ event: { type: "failed", error: broken() } });
  };
  return listen(worker);
}

/** On this thread, where there can be no worker: a policy forbids it, or a bundler has lost it. */
async function startHere() {
  const { serve } = await import("./worker.js");
  const { port1, port2 } = new MessageChannel();
  serve(port1);
  return listen(port2);
}

function listen(port) {
  port.onmessage = ({ data }) => running.get(data.id)?.hear(data);
  for (const kind of ["online", "offline"]) {
    globalThis.addEventListener?.(kind, () => port.postMessage({ order: "online", value: kind === "online" }));
  }
  return port;
}

class Upload {
  #id = ++last;
  #state = "starting";
  #over = false;
  #port;
  #token;
  #readers = new Set();
  #done = withResolvers();
  #ready = withResolvers();
  #forget = () => {};

  constructor(file, options) {
    // Who looks at one of them only, or at the events only, must not be told of an unhandled rejection.
    this.done.catch(() => {});
    this.ready.catch(() => {});
    const { signal, token } = options;
    this.#token = typeof token === "function" ? token : () => token;
    if (signal) {
      const cancel = () => this.cancel();
      signal.addEventListener("abort", cancel);
      this.#forget = () => signal.removeEventListener("abort", cancel);
      if (signal.aborted) cancel();
    }
    this.#start(file, options).catch((cause) => {
      const own = cause instanceof UploadError;
      this.#fail(own ? cause : new UploadError("internal", "The uploader's engine can't be started.", { cause }));
    });
  }

  /** The stored and verified file. */
  get done() {
    return this.#done.promise;
  }

  /** The converted video. */
  get ready() {
    return this.#ready.promise;
  }

  get state() {
    return this.#state;
  }

  /** Begins nothing new; what is in flight may finish. */
  pause() {
    this.#order("pause", true);
  }

  resume() {
    this.#order("pause", false);
  }

  cancel() {
    if (this.#over) return;
    if (this.#port) this.#order("cancel");
    else this.#fail(new UploadError("canceled", "The upload was canceled."));
  }

  /** Events from now on. Of several progress events that wait to be read, only the newest is kept. */
  [Symbol.asyncIterator]() {
    const queue = [];
    const reader = { queue, wake: () => {} };
    if (!this.#over) this.#readers.add(reader);
    return {
      next: async () => {
        while (queue.length === 0) {
          if (!this.#readers.has(reader)) return { done: true, value: undefined };
          await new Promise((resolve) => (reader.wake = resolve));
        }
        return { done: false, value: queue.shift() };
      },
      return: async () => {
        this.#readers.delete(reader);
        queue.length = 0;
        reader.wake();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  #paused;

  async #start(given, { endpoint, videoId, partSize, concurrency, checksum, allowAnyFile, abandon }) {
    const handle = given instanceof Blob ? undefined : given;
    // Asking for leave comes first: a click that allows it is soon forgotten.
    const [file, port, wasm] = await Promise.all([handle ? read(handle) : given, connect(), compiled()]);
    if (this.#over) return;
    running.set(this.#id, this);
    this.#port = port;
    this.#order("start", {
      file, handle, endpoint, videoId, partSize, abandon, wasm,
      concurrency: concurrency === "auto" ? undefined : concurrency,
      checks: checksum !== "off",
      anyFile: allowAnyFile === true,
    });
    if (globalThis.navigator?.onLine === false) this.#order("online", false);
    if (this.#paused) this.pause();
    if (globalThis.document && file.size > 0 && !abandon) this.#picture(file);
  }

  #order(order, value, transfer = []) {
    if (order === "pause") this.#paused = value;
    this.#port?.postMessage({ id: this.#id, order, value }, transfer);
  }

  /** A picture of the video, as soon as it is known to be one. */
  async #picture(file) {
    for await (const { type } of this) {
      if (type !== "media") continue;
      const { still } = await import("./poster.js");
      const picture = await still(file);
      if (picture) this.#order("draw", picture, [picture.frame]);
      return;
    }
  }

  /** What the engine says, or asks. */
  hear({ event, ask }) {
    if (this.#over) return;
    if (ask) return this.#give(ask);
    switch (event.type) {
      case "failed":
        return this.#fail(event.error ?? new UploadError(event.code, event.message));
      case "state":
        if (this.#state === event.state) return;
        this.#state = event.state;
        break;
      case "uploaded":
        this.#done.resolve(event.stored);
        event = { type: "uploaded", videoId: event.stored.videoId };
        break;
      case "ready":
        this.#ready.resolve(event.video);
        this.#tell(event);
        return this.#end();
    }
    this.#tell(event);
  }

  async #give(ask) {
    try {
      this.#order("token", { ask, token: await this.#token() });
    } catch {
      this.#order("token", { ask, failed: true });
    }
  }

  #tell(event) {
    for (const { queue, wake } of this.#readers) {
      if (event.type === "progress" && queue.at(-1)?.type === "progress") queue.pop();
      queue.push(event);
      wake();
    }
  }

  #fail(error) {
    if (this.#over) return;
    const state = error.code === "canceled" ? "canceled" : "failed";
    if (this.#state !== state) {
      this.#state = state;
      this.#tell({ type: "state", state });
    }
    this.#done.reject(error);
    this.#ready.reject(error);
    this.#end();
  }

  #end() {
    this.#over = true;
    this.#forget();
    running.delete(this.#id);
    const readers = [...this.#readers];
    this.#readers.clear();
    for (const { wake } of readers) wake();
  }
}

/** The file behind a handle. Asks for leave where that is needed, which takes a click. */
async function read(handle) {
  try {
    if ((await handle.queryPermission?.()) === "prompt") await handle.requestPermission();
    return await handle.getFile();
  } catch (cause) {
    throw new UploadError("file_unreadable", "The file can't be read; it may have been changed, moved or removed.", { cause });
  }
}

/** The wasm, compiled here while the worker starts; where that can't be, its address: then the engine's side does it. */
async function compiled() {
  const given = await (chosen.wasm ?? new URL("./uploader.wasm", import.meta.url));
  if (given instanceof WebAssembly.Module || ArrayBuffer.isView(given) || given instanceof ArrayBuffer) return given;
  const url = given instanceof Response ? undefined : absolute(given.url ?? given);
  module ??= WebAssembly.compileStreaming(url ? fetch(url) : given).catch(() => {
    // Not remembered.
    module = undefined;
    return url;
  });
  return module;
}

/** `Promise.withResolvers`, for browsers before 2024. */
function withResolvers() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}
