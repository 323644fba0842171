// The face of the uploader: checks what it is given, loads the engine when the first file comes, and turns
// the engine's events into promises and an async iterable. How to upload is the engine's business.

/** What went wrong, in a sentence (`message`) and as a stable word (`code`). */
export class UploadError extends Error {
  name = "UploadError";

  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }
}

let wasm;
let engine;

/** Chooses where the wasm comes from. To be called before the first upload; without it, it lies beside this file. */
export function init(options = {}) {
  check(options, { wasm: () => true });
  wasm = options.wasm;
  engine = undefined;
}

/** Starts to send `file`; what becomes of it is told by the returned `Upload`. */
export function upload(file, options) {
  if (!(file instanceof Blob)) throw new TypeError("upload() takes a File or a Blob.");
  check(options, OPTIONS);
  if (options.endpoint === undefined) throw new TypeError("The option `endpoint` is missing.");
  const endpoint = new URL(options.endpoint, globalThis.document?.baseURI ?? location.href);
  return new Upload(file, { ...options, endpoint: endpoint.href.replace(/\/+$/, "") });
}

const MIB = 2 ** 20;
const isString = (value) => typeof value === "string";

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

/** The engine, loaded once. A failure isn't remembered: the next upload tries again. */
function load() {
  engine ??= import("./engine.js").then(async (module) => {
    await module.default({ module_or_path: wasm ?? new URL("./uploader.wasm", import.meta.url) });
    return module;
  });
  const loading = engine;
  return loading.catch((cause) => {
    if (engine === loading) engine = undefined;
    throw new UploadError("not_loaded", "The uploader's engine can't be loaded.", { cause });
  });
}

class Upload {
  #state = "starting";
  #over = false;
  #run;
  #readers = new Set();
  #done = withResolvers();
  #ready = withResolvers();
  #forget = () => {};

  constructor(file, options) {
    // Who looks at one of them only, or at the events only, must not be told of an unhandled rejection.
    this.done.catch(() => {});
    this.ready.catch(() => {});
    const { signal } = options;
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

  cancel() {
    if (this.#over) return;
    if (this.#run) this.#run.cancel();
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

  async #start(file, { endpoint, token, videoId, partSize, concurrency, checksum }) {
    const { Run } = await load();
    if (this.#over) return;
    this.#run = new Run(
      file,
      endpoint,
      videoId,
      partSize,
      concurrency === "auto" ? undefined : concurrency,
      checksum !== "off",
      typeof token === "function" ? token : () => token,
      (event) => this.#hear(event),
    );
  }

  #hear(event) {
    switch (event.type) {
      case "failed":
        return this.#fail(new UploadError(event.code, event.message));
      case "state":
        this.#state = event.state;
        break;
      case "uploaded": {
        const { type, ...stored } = event;
        this.#done.resolve(stored);
        event = { type, videoId: stored.videoId };
        break;
      }
      case "ready":
        this.#ready.resolve(event.video);
        this.#tell(event);
        return this.#end();
    }
    this.#tell(event);
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
    const readers = [...this.#readers];
    this.#readers.clear();
    for (const { wake } of readers) wake();
    this.#run?.free();
    this.#run = undefined;
  }
}

/** `Promise.withResolvers`, for browsers before 2024. */
function withResolvers() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}
