// The list of files of one uploader, without a page: which file is taken, which is sent next, and how far each is. The
// element and the React hook show it; a page of its own design uses it directly.

import { resumable, upload } from "../index.js";
import { isCaptions, isUnsentCaptions, videoOf } from "./captions.js";
import { rejectionReason } from "./limits.js";
import { fileKey, SendItem } from "./send_item.js";
import { isUnsent, totalsOf } from "./totals.js";

/** @import { Engine, QueueFile, QueueItem, QueueOptions, QueueSnapshot, RejectedFile, UploadQueueEventMap } from "./index.js" */
/** @import { ResumableUpload } from "../index.js" */

/** Progress is announced at most this often, as no eye reads faster; other changes are announced at once. */
const PROGRESS_INTERVAL_MS = 100;
/** Each upload already sends several parts at once; more files would only slow each other down. */
const PARALLEL_FILES = 2;

/** @type {QueueSnapshot} */
const EMPTY = Object.freeze({
  items: [],
  unfinished: [],
  rejected: [],
  totals: totalsOf([]),
});

let lastId = 0;

export class UploadQueue extends EventTarget {
  /** @type {QueueOptions} */
  #options;
  #engine;
  /** In the order of the list. @type {Map<string, SendItem>} */
  #items = new Map();
  /** @type {readonly ResumableUpload[]} */
  #unfinished = [];
  /** @type {readonly RejectedFile[]} */
  #rejected = [];
  #snapshot = EMPTY;
  /** The list has changed since the snapshot was made. */
  #stale = false;
  #flushPlanned = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #progressTimer;
  #listed = 0;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** Where events are dispatched as well; a canceled one counts. @type {EventTarget | undefined} */
  parent;

  /**
   * @param {QueueOptions} [options]
   * @param {Engine} [engine]
   */
  constructor(options = {}, engine = { upload, resumable }) {
    super();
    this.#options = options;
    this.#engine = engine;
  }

  get options() {
    return this.#options;
  }

  /** Takes effect for files that are added or started from now on. */
  set options(options) {
    this.#options = options;
    this.#startNext();
  }

  get items() {
    return this.getSnapshot().items;
  }

  /** Whether leaving the page now would interrupt an upload. */
  get isSending() {
    return [...this.#items.values()].some(({ item }) => isUnsent(item) || item.captions.some(isUnsentCaptions));
  }

  /** The list as it is: the same object until something changes. */
  getSnapshot = () => {
    if (this.#stale) {
      this.#stale = false;
      const items = [...this.#items.values()].map(({ item }) => item);
      this.#snapshot = Object.freeze({
        items,
        unfinished: this.#unfinished,
        rejected: this.#rejected,
        totals: totalsOf(items),
      });
    }
    return this.#snapshot;
  };

  /** Calls `listener` after changes; returns what ends that. @param {() => void} listener */
  subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  /**
   * Adds files; those that the limits allow are sent one after the other. Captions go to the video that they belong to,
   * in the list or among the files. Returns the added items.
   * @param {Iterable<File | QueueFile>} files
   */
  add(files) {
    const given = [...files].map((entry) => (isQueueFile(entry) ? entry : { file: entry }));
    if (given.length === 0) return [];
    /** @type {UploadQueueEventMap["filesadded"]["detail"]} */
    const detail = { files: given.map(({ file }) => file) };
    if (!this.#emit("filesadded", detail, true)) return [];
    const wanted = new Set(detail.files);
    /** @type {RejectedFile[]} */
    const rejected = [];
    const added = [];
    const entries = given.filter(({ file }) => wanted.has(file));
    const videos = entries.filter(({ file }) => !isCaptions(file));
    if (!this.#options.multiple && videos.length > 0) this.#makeRoom();
    for (const entry of videos) {
      const code = this.#rejection(entry.file);
      if (code) rejected.push({ file: entry.file, code });
      else added.push(this.#append(entry));
    }
    for (const { file } of entries.filter(({ file }) => isCaptions(file))) {
      const items = [...this.#items.values()].map(({ item }) => item).filter(({ state }) => state !== "canceled");
      const video = videoOf(file, items);
      if (video) this.#items.get(video.id)?.addCaptions(file);
      else rejected.push({ file, code: "no_video_for_captions" });
    }
    // A file that was chosen again continues by itself.
    this.#unfinished = this.#unfinished.filter((left) => !this.#has(left));
    this.#rejected = rejected;
    if (rejected.length > 0) this.#emit("filesrejected", { rejected });
    this.#changed();
    this.#startNext();
    return added.map(({ id }) => this.#items.get(id)?.item).filter((item) => item !== undefined);
  }

  /** Starts no further parts: of one file, or of all. @param {QueueItem | string} [which] */
  pause(which) {
    for (const entry of this.#select(which)) entry.pause();
  }

  /** Continues one paused file, or all. @param {QueueItem | string} [which] */
  resume(which) {
    for (const entry of this.#select(which)) entry.resume();
    this.#startNext();
  }

  /** Ends one upload, or all that aren't stored yet, and removes their parts from the storage. @param {QueueItem | string} [which] */
  cancel(which) {
    for (const entry of this.#select(which)) entry.cancel();
    this.#startNext();
  }

  /** Sends one failed or canceled file again, or all that have failed. @param {QueueItem | string} [which] */
  retry(which) {
    for (const entry of this.#select(which)) entry.retry(which !== undefined);
    this.#startNext();
  }

  /** Takes one file, or all, off the list. What isn't stored yet is canceled. @param {QueueItem | string} [which] */
  remove(which) {
    for (const entry of this.#select(which)) this.#remove(entry);
    this.#changed();
    this.#startNext();
  }

  /** Takes finished and canceled files off the list; the videos stay. */
  clearFinished() {
    for (const entry of this.#items.values()) {
      if (entry.item.state === "ready" || entry.item.state === "canceled") this.#remove(entry);
    }
    this.#changed();
  }

  /**
   * @param {QueueItem | string} which
   * @param {string} title
   */
  setTitle(which, title) {
    for (const entry of this.#select(which)) entry.setTitle(title);
  }

  dismissRejected() {
    this.#rejected = [];
    this.#changed();
  }

  // ---- Uploads of earlier page loads

  /** Loads what earlier page loads left unfinished. The latest call wins. */
  async loadUnfinished() {
    this.#listed += 1;
    const listed = this.#listed;
    const found = await this.#engine.resumable().catch(() => []);
    if (listed !== this.#listed) return;
    const { endpoint } = this.#options;
    const own = found.filter((left) => !endpoint || left.endpoint === absoluteUrl(endpoint));
    this.#unfinished = own.filter((left) => !this.#has(left));
    this.#changed();
  }

  /**
   * Continues an unfinished upload: with its handle, else with the file that the user has chosen again. Returns whether
   * it goes on; `false` asks for the file. To be called in a click, as the browser may ask for permission.
   *
   * @param {ResumableUpload} left
   * @param {File} [file]
   */
  async continue(left, file) {
    const { handle } = left;
    const chosen = file ?? (handle && (await openHandle(handle)));
    if (!chosen || chosen.size !== left.size) return false;
    // Before it is added, or it would be rejected as the one file that a list may have.
    this.#dropUnfinished(left);
    this.add([{ file: chosen, handle: file ? undefined : handle }]);
    return true;
  }

  /** Removes an unfinished upload here and on the server. @param {ResumableUpload} left */
  async forget(left) {
    this.#dropUnfinished(left);
    await left.forget({ token: this.#options.token });
    await this.loadUnfinished();
  }

  /** @param {ResumableUpload} left */
  #dropUnfinished(left) {
    this.#unfinished = this.#unfinished.filter((other) => other !== left);
    this.#changed();
  }

  // ---- One item

  /** @param {QueueFile} entry */
  #append({ file, handle }) {
    lastId += 1;
    const id = `file-${lastId}`;
    const entry = new SendItem(id, file, handle, {
      onChange: (isProgress) => this.#changed(isProgress),
      onEvent: (type, detail) => this.#emit(type, detail),
      onSlotFree: () => this.#startNext(),
    });
    this.#items.set(id, entry);
    return entry.item;
  }

  /** @param {SendItem} entry */
  #remove(entry) {
    this.#items.delete(entry.item.id);
    entry.dispose();
    this.#emit("fileremoved", { item: entry.item });
  }

  /** The one file of a list for one makes room for the next, once it is at its end. */
  #makeRoom() {
    for (const entry of this.#items.values()) if (!isUnsent(entry.item)) this.#remove(entry);
  }

  /** @param {File} file */
  #rejection(file) {
    const { multiple = false, maxFiles = Number.POSITIVE_INFINITY } = this.#options;
    const key = fileKey(file);
    const active = () => [...this.#items.values()].filter(({ item }) => isActive(item));
    const duplicate = active().find((entry) => entry.fileKey === key);
    if (duplicate && this.#emit("duplicate", { file, item: duplicate.item }, true)) return "duplicate";
    // Listeners of that event may have made room.
    if (active().length >= (multiple ? maxFiles : 1)) return "too_many_files";
    return rejectionReason(file, this.#options);
  }

  /** @param {{ size: number, fileName: string }} left */
  #has({ size, fileName }) {
    return [...this.#items.values()].some(({ item }) => item.size === size && item.file.name === fileName);
  }

  /** @param {QueueItem | string} [which] */
  #select(which) {
    if (which === undefined) return [...this.#items.values()];
    const entry = this.#items.get(typeof which === "string" ? which : which.id);
    return entry ? [entry] : [];
  }

  #startNext() {
    const { endpoint, parallelFiles = PARALLEL_FILES } = this.#options;
    if (endpoint === undefined) return;
    const entries = [...this.#items.values()];
    let running = entries.filter((entry) => entry.isRunning).length;
    for (const entry of entries) {
      if (running >= parallelFiles) return;
      if (entry.item.state !== "queued") continue;
      running += 1;
      entry.start(this.#engine.upload, this.#options);
    }
  }

  // ---- Changes

  /** @param {boolean} [isProgress] */
  #changed(isProgress = false) {
    this.#stale = true;
    if (this.#flushPlanned) return;
    if (isProgress) {
      this.#progressTimer ??= setTimeout(() => this.#flush(), PROGRESS_INTERVAL_MS);
      return;
    }
    this.#flushPlanned = true;
    queueMicrotask(() => this.#flush());
  }

  #flush() {
    clearTimeout(this.#progressTimer);
    this.#progressTimer = undefined;
    this.#flushPlanned = false;
    for (const listener of [...this.#listeners]) listener();
    this.#emit("queuechange", { snapshot: this.getSnapshot() });
  }

  /**
   * @template {keyof UploadQueueEventMap} Type
   * @param {Type} type
   * @param {UploadQueueEventMap[Type]["detail"]} detail
   * @param {boolean} [cancelable]
   * @returns {boolean} whether nobody has canceled it
   */
  #emit(type, detail, cancelable = false) {
    const isWanted = this.dispatchEvent(new CustomEvent(type, { detail, cancelable }));
    return (
      (this.parent?.dispatchEvent(new CustomEvent(type, { detail, cancelable, bubbles: true })) ?? true) && isWanted
    );
  }
}

/** @param {File | QueueFile} entry @returns {entry is QueueFile} */
const isQueueFile = (entry) => "file" in entry;

/** @param {QueueItem} item */
const isActive = ({ state }) => state !== "failed" && state !== "canceled";

/** @param {string} url */
const absoluteUrl = (url) => new URL(url, document.baseURI).href.replace(/\/+$/, "");

/**
 * The file of a handle; `undefined` if permission is denied or the file is gone.
 * @param {FileSystemFileHandle & { queryPermission?(): Promise<PermissionState>, requestPermission?(): Promise<PermissionState> }} handle
 */
async function openHandle(handle) {
  try {
    if ((await handle.queryPermission?.()) !== "granted") await handle.requestPermission?.();
    return await handle.getFile();
  } catch {
    return undefined;
  }
}
