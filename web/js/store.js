// The records of unfinished uploads in IndexedDB, one for each upload and one for each of its stored parts. The only
// secret in them is the upload's token, which is valid for this one upload and only with a sign-in.
// Where a browser stores nothing (private windows, full disks) or doesn't answer, calls do nothing and find nothing.

import { openDB } from "idb";
import { withTimeout } from "./timeout.js";

/** @import { DBSchema, IDBPDatabase, IDBPObjectStore, IDBPTransaction } from "idb" */
/** @import { PartRecord, UploadRecord } from "./messages.js" */
/** @typedef {{ uploads: { key: string, value: UploadRecord }, parts: { key: [string, number], value: PartRecord } }} Schema */
/** @typedef {("uploads" | "parts")[]} Stores */
/** @typedef {IDBPTransaction<Schema, Stores, "readwrite">} Transaction */
/** @typedef {IDBPObjectStore<Schema, Stores, "uploads", "readwrite">} UploadStore */
/** @typedef {IDBPObjectStore<Schema, Stores, "parts", "readwrite">} PartStore */

/** Version 1 had records whose uploads can't be continued. */
const VERSION = 2;
/** Some browsers never answer, and a tab with an older version may block the upgrade. */
const TIMEOUT_MS = 3000;
/** A tab that was frozen in a transaction holds up all others until it goes on. */
const FROZEN_TIMEOUT_MS = 60_000;

/** @type {Promise<IDBPDatabase<Schema>> | undefined} */
let database;

function open() {
  if (database) return database;
  const forget = () => (database = undefined);
  /** @type {Promise<IDBPDatabase<Schema>>} */
  const opening = openDB("greloupis-uploader", VERSION, {
    upgrade(db) {
      for (const name of Array.from(db.objectStoreNames)) db.deleteObjectStore(name);
      db.createObjectStore("uploads", { keyPath: "id" });
      db.createObjectStore("parts", { keyPath: ["id", "part"] });
    },
    // A later version isn't held up by this page.
    blocking(_current, _blocked, event) {
      /** @type {IDBDatabase} */ (event.target).close();
      forget();
    },
    terminated: forget,
  });
  // After the time limit, calls fail at once until the browser does answer.
  const opened = withTimeout(opening, TIMEOUT_MS);
  database = opened;
  opened.catch(() => {});
  opening.then((db) => (database = Promise.resolve(db)), forget);
  return opened;
}

/**
 * The result of `work`, or `fallback` where the browser stores nothing.
 * @template T
 * @param {"readonly" | "readwrite"} mode
 * @param {T} fallback
 * @param {(transaction: Transaction) => Promise<T>} work
 * @param {number} [timeoutMs]
 * @returns {Promise<T>}
 */
async function withTransaction(mode, fallback, work, timeoutMs = TIMEOUT_MS) {
  try {
    const transaction = /** @type {Transaction} */ ((await open()).transaction(["uploads", "parts"], mode));
    const done = Promise.all([work(transaction), transaction.done]);
    const [result] = await withTimeout(done, timeoutMs);
    return result;
  } catch {
    return fallback;
  }
}

const partsOf = (/** @type {string} */ id) => IDBKeyRange.bound([id], [id, []]);

/** The lock and the channel of an upload, shared by all tabs. @param {string} id */
export const lockName = (id) => `greloupis-uploader:${id}`;

/** An id by which no file is found. */
export const canceledId = () => `canceled ${Date.now()} ${Math.random()}`;

/** @type {() => Promise<UploadRecord[]>} */
export const listUploads = () =>
  withTransaction("readonly", /** @type {UploadRecord[]} */ ([]), (tx) => tx.objectStore("uploads").getAll());

/**
 * The record of that id with its parts.
 * @param {string} id
 * @param {{ isSenderFrozen?: boolean }} [options] `isSenderFrozen`: waits for a transaction of a frozen tab
 */
export const loadUpload = (id, { isSenderFrozen = false } = {}) =>
  withTransaction(
    "readonly",
    /** @type {(UploadRecord & { parts: PartRecord[] }) | undefined} */ (undefined),
    async (tx) => {
      const [record, parts] = await Promise.all([
        tx.objectStore("uploads").get(id),
        tx.objectStore("parts").getAll(partsOf(id)),
      ]);
      return record && { ...record, parts };
    },
    isSenderFrozen ? FROZEN_TIMEOUT_MS : TIMEOUT_MS,
  );

/** How many parts of an upload are stored. @param {string} id */
export const countParts = (id) => withTransaction("readonly", 0, (tx) => tx.objectStore("parts").count(partsOf(id)));

/**
 * Creates a record in place of that of the upload `previous` and its parts, or of none. Resolves to `false`, without a
 * change, where another upload has created one of the same id since.
 * @param {UploadRecord} record
 * @param {string} [previous] the token of the upload whose record is replaced
 */
export const createUpload = (record, previous) =>
  withTransaction("readwrite", true, async (tx) => {
    const [uploads, parts] = [tx.objectStore("uploads"), tx.objectStore("parts")];
    const current = await uploads.get(record.id);
    if (current && current.upload !== previous && current.upload !== record.upload) return false;
    await Promise.all([parts.delete(partsOf(record.id)), uploads.put(record)]);
    return true;
  });

/**
 * A change of the record of that id, if there is one and it is that of `upload`.
 * @param {string} id
 * @param {string | undefined} upload the upload's token
 * @param {(record: UploadRecord, uploads: UploadStore, parts: PartStore) => Promise<unknown>} change
 */
const changeUpload = (id, upload, change) =>
  withTransaction("readwrite", undefined, async (tx) => {
    const [uploads, parts] = [tx.objectStore("uploads"), tx.objectStore("parts")];
    const record = await uploads.get(id);
    if (record && record.upload === upload) await change(record, uploads, parts);
  });

/**
 * Sets fields of a record.
 * @param {string} id
 * @param {string | undefined} upload
 * @param {Partial<UploadRecord>} fields
 */
export const updateUpload = (id, upload, fields) =>
  changeUpload(id, upload, (record, uploads) => uploads.put({ ...record, ...fields }));

/**
 * Gives the record another id and marks it to be aborted, so that its file can be uploaded anew at once.
 * @param {string} id
 * @param {string | undefined} upload
 * @param {string} newId
 */
export const cancelUpload = (id, upload, newId) =>
  changeUpload(id, upload, (record, uploads, parts) =>
    Promise.all([parts.delete(partsOf(id)), uploads.delete(id), uploads.put({ ...record, id: newId, canceled: true })]),
  );

/**
 * @param {PartRecord} part
 * @param {string | undefined} upload
 */
export const addPart = (part, upload) => changeUpload(part.id, upload, (_record, _uploads, parts) => parts.put(part));

/**
 * Removes a record and its parts.
 * @param {string} id
 * @param {string | undefined} upload
 */
export const removeUpload = (id, upload) =>
  changeUpload(id, upload, (_record, uploads, parts) => Promise.all([parts.delete(partsOf(id)), uploads.delete(id)]));
