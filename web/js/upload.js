// One upload as the page sees it: turns the worker's messages into promises and an async iterable.

import { isBlob } from "./options.js";
import { UploadError } from "./upload_error.js";
import { compileWasm, connect, uploads } from "./worker_client.js";

/** @import { ReadyVideo, StoredFile, UploadEvent, UploadState } from "./index.js" */
/** @import { CheckedOptions, Command, EngineEvent, PageMessage } from "./messages.js" */
/** @typedef {{ queue: UploadEvent[], wake: () => void }} Reader */

let lastId = 0;

/** @param {string | URL} url */
export function absoluteUrl(url) {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  if (base === undefined) throw new TypeError("upload() needs a browser: there is no page here.");
  return new URL(url, base).href;
}

export class Upload {
  #id = ++lastId;
  /** @type {UploadState} */
  #state = "starting";
  #isPausedElsewhere = false;
  #ended = false;
  #paused = false;
  /** Bytes, of the last progress event. */
  #sent = 0;
  /** @type {Awaited<ReturnType<typeof connect>> | undefined} */
  #port;
  /** @type {() => string | undefined | Promise<string | undefined>} */
  #token;
  /** @type {Set<Reader>} */
  #readers = new Set();
  /** @type {Resolvers<StoredFile>} */
  #done = withResolvers();
  /** @type {Resolvers<ReadyVideo>} */
  #ready = withResolvers();
  #removeAbortListener = () => {};

  /**
   * @param {Blob | FileSystemFileHandle} file
   * @param {CheckedOptions} options
   */
  constructor(file, options) {
    // A page that reads only one of them, or only the events, must not get an unhandled rejection.
    this.done.catch(() => {});
    this.ready.catch(() => {});
    const { signal, token } = options;
    this.#token = typeof token === "function" ? token : () => token;
    if (signal) {
      const cancel = () => this.cancel();
      signal.addEventListener("abort", cancel);
      this.#removeAbortListener = () => signal.removeEventListener("abort", cancel);
      if (signal.aborted) cancel();
    }
    this.#start(file, options).catch((cause) => {
      const known = cause instanceof UploadError;
      this.#fail(known ? cause : new UploadError("internal", "The uploader's engine can't be started.", { cause }));
    });
  }

  get done() {
    return this.#done.promise;
  }

  get ready() {
    return this.#ready.promise;
  }

  get state() {
    return this.#state;
  }

  get engine() {
    return this.#port?.kind;
  }

  pause() {
    this.#paused = true;
    this.#send({ command: "pause", value: true });
  }

  resume() {
    this.#paused = false;
    this.#send({ command: "pause", value: false });
  }

  cancel() {
    if (this.#ended) return;
    if (this.#port) this.#send({ command: "cancel" });
    else this.#fail(new UploadError("canceled", "The upload was canceled."));
  }

  /**
   * Events from now on. Of several progress events that wait to be read, only the newest is kept.
   * @returns {AsyncIterableIterator<UploadEvent>}
   */
  [Symbol.asyncIterator]() {
    /** @type {Reader} */
    const reader = { queue: [], wake: () => {} };
    if (!this.#ended) this.#readers.add(reader);
    const { queue } = reader;
    return {
      next: async () => {
        for (;;) {
          const value = queue.shift();
          if (value) return { done: false, value };
          if (!this.#readers.has(reader)) return { done: true, value: undefined };
          await new Promise((resolve) => (reader.wake = () => resolve(undefined)));
        }
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

  /**
   * @param {Blob | FileSystemFileHandle} given
   * @param {CheckedOptions} options
   */
  async #start(given, options) {
    const { endpoint, videoId, title, partSize, concurrency, allowAnyFile = false, abandon } = options;
    const fileHandle = isBlob(given) ? undefined : given;
    // Permission is asked for first, as it needs the user's click, which soon expires.
    const [file, port, wasm] = await Promise.all([openFile(given), connect(), compileWasm(absoluteUrl)]);
    if (this.#ended) return;
    uploads.set(this.#id, { onMessage: (message) => this.#onMessage(message), fail: (error) => this.#fail(error) });
    this.#port = port;
    port.postMessage({
      id: this.#id,
      command: "start",
      value: {
        ...{ file, fileHandle, endpoint, videoId, title, partSize, allowAnyFile, abandon, wasm },
        concurrency: concurrency === "auto" ? undefined : concurrency,
      },
    });
    if (globalThis.navigator?.onLine === false) this.#send({ command: "online", value: false });
    if (this.#paused) this.pause();
    if (globalThis.document && file.size > 0 && !abandon) this.#addPoster(file);
  }

  /** @param {Command} command */
  #send(command) {
    this.#port?.postMessage({ id: this.#id, ...command });
  }

  /**
   * Adds a picture of the video, once the container probe has found that it is one.
   * @param {Blob} file
   */
  async #addPoster(file) {
    for await (const { type } of this) {
      if (type !== "media") continue;
      // After a deployment, the file of an older page may be gone: then there is no poster.
      const value = await import("./poster.js").then(({ captureFrame }) => captureFrame(file)).catch(() => undefined);
      if (value) this.#port?.postMessage({ id: this.#id, command: "draw", value }, [value.frame]);
      return;
    }
  }

  /** @param {import("./worker_client.js").UploadMessage} message */
  #onMessage(message) {
    if (this.#ended) return;
    if ("tokenRequest" in message) this.#sendToken(message.tokenRequest);
    else this.#onEvent(message.event);
  }

  /** @param {EngineEvent} event */
  #onEvent(event) {
    switch (event.type) {
      case "failed":
        return this.#fail(new UploadError(event.code, event.message));
      case "state":
        if (this.#state === event.state && this.#isPausedElsewhere === Boolean(event.pausedElsewhere)) return;
        this.#state = event.state;
        this.#isPausedElsewhere = Boolean(event.pausedElsewhere);
        return this.#emit(event);
      case "uploaded":
        this.#done.resolve(event.stored);
        return this.#emit({ type: "uploaded", videoId: event.stored.videoId });
      case "ready":
        this.#ready.resolve(event.video);
        this.#emit(event);
        return this.#end();
      case "progress":
        // Another tab may have been further.
        this.#sent = Math.max(this.#sent, event.sent);
        return this.#emit({ ...event, sent: this.#sent });
      case "unreachable":
        console.warn(event.message);
        return this.#emit(event);
      default:
        return this.#emit(event);
    }
  }

  /** @param {number} request */
  async #sendToken(request) {
    /** @type {Extract<PageMessage, { command: "token" }>["value"]} */
    let value;
    try {
      value = { request, token: await this.#token() };
    } catch {
      value = { request, failed: true };
    }
    this.#port?.postMessage({ id: this.#id, command: "token", value });
  }

  /** @param {UploadEvent} event */
  #emit(event) {
    for (const { queue, wake } of this.#readers) {
      if (event.type === "progress" && queue.at(-1)?.type === "progress") queue.pop();
      queue.push(event);
      wake();
    }
  }

  /** @param {UploadError} error */
  #fail(error) {
    if (this.#ended) return;
    const state = error.code === "canceled" ? "canceled" : "failed";
    if (this.#state !== state) {
      this.#state = state;
      this.#emit({ type: "state", state });
    }
    this.#done.reject(error);
    this.#ready.reject(error);
    this.#end();
  }

  #end() {
    this.#ended = true;
    this.#removeAbortListener();
    uploads.delete(this.#id);
    const readers = [...this.#readers];
    this.#readers.clear();
    for (const { wake } of readers) wake();
  }
}

/**
 * The file itself, or the file of a handle. Asks for permission where that is needed.
 * @param {Blob | FileSystemFileHandle} given
 */
async function openFile(given) {
  if (isBlob(given)) return given;
  try {
    // Chromium only; TypeScript's library lacks them.
    const handle =
      /** @type {FileSystemFileHandle & { queryPermission?(): Promise<PermissionState>, requestPermission(): Promise<PermissionState> }} */ (
        given
      );
    if ((await handle.queryPermission?.()) === "prompt") await handle.requestPermission();
    return await handle.getFile();
  } catch (cause) {
    throw new UploadError("file_unreadable", "The file can't be read; it may have been changed, moved or removed.", {
      cause,
    });
  }
}

/**
 * @template T
 * @typedef {{ promise: Promise<T>, resolve: (value: T) => void, reject: (reason: unknown) => void }} Resolvers
 */

/**
 * `Promise.withResolvers`, for browsers before 2024.
 * @template T
 * @returns {Resolvers<T>}
 */
function withResolvers() {
  const resolvers = /** @type {Resolvers<T>} */ ({});
  resolvers.promise = new Promise((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
  return resolvers;
}
