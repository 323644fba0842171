// The JavaScript side of one upload in the worker, see `web/src/host.rs`.

import { UploadHandle } from "./bindings.js";
import * as store from "./store.js";
import { TabLock } from "./tabs.js";

/** @import { CapturedFrame, Command, EngineEvent, HostInterface, PageMessage, RecordChange, StartOptions } from "./messages.js" */
/** @typedef {Omit<StartOptions, "wasm">} Options */
/** @typedef {{ onEvent(event: EngineEvent): void, onTokenRequest(request: number): void, onEnd(): void }} Page */

/** @implements {HostInterface} */
export class UploadHost {
  #options;
  #page;
  /** @type {UploadHandle | undefined} */
  #handle;
  /** Commands that came before the wasm module was loaded. @type {Command[]} */
  #early = [];
  #lastTokenRequest = 0;
  /** @type {Map<number, { resolve(token: string | undefined): void, reject(): void }>} */
  #tokenRequests = new Map();
  /** The id of the record. */
  #id = "";
  /** @type {TabLock | undefined} */
  #tabs;
  /** Changes of the records, one after the other. */
  #writes = Promise.resolve();

  /**
   * @param {Options} options
   * @param {Page} page
   */
  constructor(options, page) {
    this.#options = options;
    this.#page = page;
  }

  start() {
    const { file, endpoint, videoId, partSize, concurrency, checksum, allowAnyFile } = this.#options;
    const options = { endpoint, videoId, partSize, concurrency, checksum, allowAnyFile };
    this.#handle = new UploadHandle(file, options, this);
    for (const command of this.#early.splice(0)) this.onCommand(command);
  }

  /** @param {Exclude<PageMessage, { command: "start" }>} message */
  onPageMessage(message) {
    if (message.command === "token") {
      const { request, token, failed } = message.value;
      const { resolve, reject } = this.#tokenRequests.get(request) ?? {};
      this.#tokenRequests.delete(request);
      if (failed) reject?.();
      else resolve?.(token);
    } else if (message.command === "draw") this.#draw(message.value);
    else this.onCommand(message);
  }

  /** @param {Command} command */
  onCommand(command) {
    if (!this.#handle) {
      this.#early.push(command);
      return;
    }
    // The tab that sends the file executes it; its events arrive here.
    if (command.command !== "online") this.#tabs?.forward(command);
    if (command.command === "cancel") this.#handle.cancel();
    else this.#handle[command.command](command.value);
  }

  /**
   * Draws a frame as a JPEG, the event `poster`. A browser that can't has no poster.
   * @param {CapturedFrame} captured
   */
  async #draw({ frame, width, height }) {
    try {
      const canvas = new OffscreenCanvas(width, height);
      canvas.getContext("2d")?.drawImage(frame, 0, 0, width, height);
      const image = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
      this.#page.onEvent({ type: "poster", image });
    } catch {
      // No poster.
    } finally {
      frame.close();
    }
  }

  // ---- Called by the wasm module

  /** @param {EngineEvent} event */
  onEvent(event) {
    this.#page.onEvent(event);
    this.#tabs?.broadcast(event);
    if (event.type === "failed" || event.type === "uploaded") this.#writes.then(() => this.#tabs?.release());
    if (event.type === "failed" || event.type === "ready") {
      this.#page.onEnd();
      // Later, as this is called by the module itself.
      setTimeout(() => this.#handle?.free());
    }
  }

  token() {
    const request = ++this.#lastTokenRequest;
    /** @type {Promise<string | undefined>} */
    const token = new Promise((resolve, reject) => this.#tokenRequests.set(request, { resolve, reject }));
    this.#page.onTokenRequest(request);
    return token;
  }

  /** @param {string} fingerprint */
  async claim(fingerprint) {
    const { endpoint, videoId, abandon, fileHandle } = this.#options;
    this.#id = abandon ?? [endpoint, videoId ?? "", fingerprint].join(" ");
    const waited = await this.#lock();
    const record = await store.loadUpload(this.#id);
    // The tab that sent it has canceled it, for every tab.
    if (waited && !record) throw new Error("canceled in another tab");
    if (record && !record.stored && record.expiresAt !== undefined && record.expiresAt < Date.now()) {
      await store.removeUpload(this.#id);
      return undefined;
    }
    if (record?.canceled && !abandon) {
      await this.#abandon();
      return undefined;
    }
    if (record && fileHandle) this.#write(() => store.updateUpload(this.#id, { handle: fileHandle }));
    return record;
  }

  /** @param {RecordChange} change */
  persist(change) {
    this.#write(() => this.#apply(change));
  }

  // ---- Records

  /** @param {() => Promise<unknown>} change */
  #write(change) {
    this.#writes = this.#writes.then(async () => void (await change()));
  }

  /** @param {RecordChange} change */
  #apply({ op, ...fields }) {
    switch (op) {
      case "part":
        return store.addPart(/** @type {import("./messages.js").PartRecord} */ ({ ...fields, id: this.#id }));
      case "cancel":
        return store.updateUpload(this.#id, { canceled: true });
      case "remove":
        return store.removeUpload(this.#id);
      default:
        return this.#create(fields);
    }
  }

  /** @param {object} fields */
  async #create(fields) {
    const { file, endpoint, fileHandle: handle } = this.#options;
    const { name: fileName = "", size, lastModified = 0 } = /** @type {File} */ (file);
    const record = { id: this.#id, endpoint, fileName, size, lastModified, startedAt: Date.now(), handle, ...fields };
    await store.createUpload(record);
    // Some browsers can't keep a handle, and then keep nothing of the record.
    if (handle && !(await store.loadUpload(record.id))) await store.createUpload({ ...record, handle: undefined });
  }

  /** Aborts what an earlier page load canceled without reaching the server. */
  #abandon() {
    const { endpoint } = this.#options;
    const options = { file: new Blob(), endpoint, allowAnyFile: true, abandon: this.#id, locked: true };
    return new Promise((resolve) => {
      const abandoned = new UploadHost(
        { ...options, checksum: "off" },
        {
          onEvent: () => {},
          onTokenRequest: (request) => {
            const reply = (/** @type {object} */ value) =>
              abandoned.onPageMessage({ id: 0, command: "token", value: { request, ...value } });
            this.token().then(
              (token) => reply({ token }),
              () => reply({ failed: true }),
            );
          },
          onEnd: () => resolve(undefined),
        },
      );
      abandoned.start();
    });
  }

  /** Waits until no other tab sends this file; returns whether it had to wait. */
  async #lock() {
    // Without locks, as on pages that came over plain HTTP, tabs don't know of each other.
    if (this.#options.locked || !globalThis.navigator?.locks) return false;
    this.#tabs = new TabLock(store.lockName(this.#id), {
      onEvent: (event) => this.#page.onEvent(event),
      // A good end is known from the record.
      onSenderFailed: () => this.#handle?.cancel(),
      onCommand: (command) => this.onCommand(command),
    });
    return this.#tabs.acquire();
  }
}
