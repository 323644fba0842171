// The JavaScript side of one upload in the worker, see `web/src/host.rs`.

import { UploadHandle } from "./bindings.js";
import * as store from "./store.js";
import { withTimeout } from "./timeout.js";
import { UploadLock } from "./upload_lock.js";

/** @import { CapturedFrame, Command, EngineEvent, HostInterface, PageMessage, PartRecord, RecordChange, StartOptions, UploadRecord } from "./messages.js" */
/** @import { UploadState } from "./index.js" */
/** @typedef {Omit<StartOptions, "wasm">} Options */
/** @typedef {{ onEvent(event: EngineEvent): void, onTokenRequest(request: number): void, onEnd(): void, onReplaced(commands: Iterable<Command>): void }} Page */

/** Records of uploads that expired longer ago are removed: no edge finds those any more. */
const MAX_RECORD_AGE_MS = 30 * 86_400_000;
/** The lock isn't held longer for a store that doesn't answer. */
const WRITES_TIMEOUT_MS = 3000;

let lastTokenRequest = 0;
/** Pending answers of all uploads. @type {Map<number, { resolve(token: string | undefined): void, reject(): void }>} */
const tokenRequests = new Map();

/** @implements {HostInterface} */
export class UploadHost {
  #options;
  #page;
  /** @type {UploadHandle | undefined} */
  #handle;
  /** The last command of each kind; they may come before the wasm module is loaded. @type {Map<string, Command>} */
  #commands = new Map();
  /** The id of the record. */
  #id = "";
  /** The token of the upload in the record. @type {string | undefined} */
  #upload;
  /** @type {UploadLock | undefined} */
  #lock;
  /** Another upload has taken the lock from this one, which counted as frozen; the record is now the other's. */
  #isStolen = false;
  /** The page hears no more from this one. */
  #isReplaced = false;
  /** Canceled: the record has an id of its own, by which only the abort is repeated. */
  #isDetached;
  /** The file's handle isn't in the record yet. */
  #isHandleNew = false;
  /** The state of the upload that this one follows. @type {UploadState} */
  #followedState = "starting";
  /** Changes of the records, one after the other. */
  #writes = Promise.resolve();

  /**
   * @param {Options} options
   * @param {Page} page
   */
  constructor(options, page) {
    this.#options = options;
    this.#page = page;
    this.#isDetached = Boolean(options.abandon);
  }

  start() {
    const { file, endpoint, videoId, title, partSize, concurrency, allowAnyFile } = this.#options;
    const options = { endpoint, videoId, title, partSize, concurrency, allowAnyFile };
    this.#handle = new UploadHandle(file, options, this);
    for (const command of this.#commands.values()) this.#execute(command);
  }

  /** @param {Exclude<PageMessage, { command: "start" }>} message */
  onPageMessage(message) {
    if (message.command === "token") {
      const { request, token, failed } = message.value;
      const { resolve, reject } = tokenRequests.get(request) ?? {};
      tokenRequests.delete(request);
      if (failed) reject?.();
      else resolve?.(token);
    } else if (message.command === "draw") this.#draw(message.value);
    else this.onCommand(message);
  }

  /** @param {Command} command */
  onCommand(command) {
    this.#commands.set(command.command, command);
    if (this.#handle) this.#execute(command);
  }

  /** @param {Command} command */
  #execute(command) {
    if (command.command !== "cancel") {
      this.#handle?.[command.command](command.value);
      if (command.command === "pause" && this.#isFollowing) this.#showFollowedState();
      return;
    }
    if (this.#isStolen && !this.#isReplaced) {
      // Aborting would end the other one.
      this.#handle?.pause(true);
      this.onEvent({ type: "failed", code: "canceled", message: "The upload was canceled." });
      this.#isReplaced = true;
      return;
    }
    // Others needn't wait for what the edge is still to answer.
    if (this.#lock?.isHeld && !this.#upload) this.#write(() => this.#detach());
    this.#handle?.cancel();
  }

  /** Ends the hold on the file, after a defect: nothing of this upload runs any more. */
  abandonLock() {
    this.#lock?.release();
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
    if (this.#isReplaced) return;
    this.#page.onEvent(event);
    this.#lock?.broadcast(event);
    if (event.type === "failed" || event.type === "uploaded") this.#release();
    if (event.type === "failed" || event.type === "ready") {
      this.#page.onEnd();
      // Later, as this is called by the module itself.
      setTimeout(() => this.#handle?.free());
    }
  }

  token() {
    const request = ++lastTokenRequest;
    /** @type {Promise<string | undefined>} */
    const token = new Promise((resolve, reject) => tokenRequests.set(request, { resolve, reject }));
    this.#page.onTokenRequest(request);
    return token;
  }

  /**
   * @param {string} fingerprint
   * @param {number} slot counts the files of one fingerprint that differ
   */
  async claim(fingerprint, slot) {
    const { endpoint, videoId, abandon, file, fileHandle } = this.#options;
    this.#lock?.release();
    this.#upload = undefined;
    // The name is part of it: a copy of another name is a video of its own.
    const { name = "" } = /** @type {File} */ (file);
    this.#id = abandon ?? [endpoint, videoId ?? "", name, fingerprint, slot || []].flat().join(" ");
    this.#lock = new UploadLock(store.lockName(this.#id), {
      onEvent: (event) => this.#onFollowedEvent(event),
      onStolen: () => this.#onStolen(),
    });
    const held = await this.#lock.acquire({ wait: !abandon });
    if (!held && abandon) throw new Error("another upload aborts it");
    if (!held) {
      // Another sends the file and can't be waited for; its record stays its own.
      this.#id = "";
      return undefined;
    }
    const record = await store.loadUpload(this.#id, { isSenderFrozen: this.#lock.hasStolen });
    this.#upload = record?.upload;
    this.#isHandleNew = Boolean(fileHandle);
    if (!abandon && slot === 0) this.#cleanUp();
    return record;
  }

  /** @param {RecordChange} change */
  persist(change) {
    if (!this.#id || this.#isStolen) return;
    const previous = this.#upload;
    if (change.op === "open") this.#upload = change.upload;
    const upload = this.#upload;
    this.#write(() => this.#apply(change, upload, previous));
  }

  // ---- The upload that this one follows

  get #isFollowing() {
    return this.#lock?.isWaiting ?? false;
  }

  /** @param {EngineEvent} event */
  #onFollowedEvent(event) {
    if (event.type !== "state") return this.#page.onEvent(event);
    this.#followedState = event.state;
    this.#showFollowedState();
  }

  #showFollowedState() {
    const pause = this.#commands.get("pause");
    const isPaused = pause?.command === "pause" && pause.value;
    if (isPaused || this.#followedState !== "paused") {
      return this.#page.onEvent({ type: "state", state: isPaused ? "paused" : this.#followedState });
    }
    // It can't be resumed from here.
    this.#page.onEvent({ type: "state", state: "waiting", pausedElsewhere: true });
  }

  /** If the record is this upload's, both send the same parts, and completing twice gives one object. */
  #onStolen() {
    this.#isStolen = true;
    if (!this.#upload) return this.#replace();
    this.#write(async () => {
      const record = await store.loadUpload(this.#id);
      if (record && record.upload !== this.#upload) this.#replace();
    });
  }

  /** Ends this upload, which another one of the file has overtaken, and starts anew with what the record has by then. */
  #replace() {
    if (this.#isReplaced) return;
    this.#isStolen = true;
    this.#isReplaced = true;
    this.#handle?.cancel();
    this.#lock?.release();
    this.#page.onReplaced(this.#commands.values());
  }

  #release() {
    withTimeout(this.#writes, WRITES_TIMEOUT_MS)
      .catch(() => {})
      .then(() => this.#lock?.release());
  }

  // ---- Records

  /** @param {() => Promise<unknown>} change */
  #write(change) {
    this.#writes = this.#writes.then(async () => void (await change()));
  }

  /**
   * @param {RecordChange} change
   * @param {string | undefined} upload
   * @param {string | undefined} previous the upload of the record before the change
   */
  async #apply(change, upload, previous) {
    if (this.#isHandleNew && change.op === "part") {
      this.#isHandleNew = false;
      await store.updateUpload(this.#id, upload, { handle: this.#options.fileHandle });
    }
    switch (change.op) {
      case "open":
        return this.#create(change, previous);
      case "part":
        return store.addPart({ id: this.#id, part: change.part, crc: change.crc }, upload);
      case "cancel":
        return this.#detach();
      case "stored":
        return store.updateUpload(this.#id, upload, { stored: change.stored });
      case "remove":
        return store.removeUpload(this.#id, upload);
    }
  }

  /**
   * @param {Extract<RecordChange, { op: "open" }>} change
   * @param {string | undefined} previous
   */
  async #create({ op: _op, ...fields }, previous) {
    const { file, endpoint, fileHandle: handle } = this.#options;
    const { name: fileName = "", size, lastModified = 0 } = /** @type {File} */ (file);
    const record = { id: this.#id, endpoint, fileName, size, lastModified, startedAt: Date.now(), handle, ...fields };
    if (!(await store.createUpload(record, previous))) return this.#replace();
    // Some browsers can't keep a handle, and then keep nothing of the record.
    if (handle && !(await store.loadUpload(record.id))) {
      await store.createUpload({ ...record, handle: undefined }, previous);
    }
    this.#isHandleNew = false;
  }

  /** Marks the upload as canceled and lets others upload the same file at once. */
  async #detach() {
    if (this.#isDetached) return store.updateUpload(this.#id, this.#upload, { canceled: true });
    const [id, lock] = [this.#id, this.#lock];
    this.#isDetached = true;
    this.#id = store.canceledId();
    this.#lock = new UploadLock(store.lockName(this.#id));
    await this.#lock.acquire({ wait: false });
    if (this.#upload) await store.cancelUpload(id, this.#upload, this.#id);
    lock?.release();
  }

  /** Aborts what was canceled and perhaps not aborted, and forgets what has expired long ago. */
  async #cleanUp() {
    for (const { id, endpoint, upload, canceled, stored, expiresAt = Infinity } of await store.listUploads()) {
      const isOutdated = expiresAt + MAX_RECORD_AGE_MS < Date.now();
      if (isOutdated || (canceled && stored)) store.removeUpload(id, upload);
      else if (canceled && endpoint === this.#options.endpoint) this.#abort(id);
    }
  }

  /** Aborts a canceled upload in the background. @param {string} id */
  #abort(id) {
    const { endpoint } = this.#options;
    const options = { file: new Blob(), endpoint, allowAnyFile: true, abandon: id };
    const aborting = new UploadHost(options, {
      onEvent: () => {},
      onTokenRequest: (request) => this.#page.onTokenRequest(request),
      onEnd: () => {},
      onReplaced: () => {},
    });
    aborting.start();
  }
}
