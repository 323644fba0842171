// The records of unfinished uploads in IndexedDB, one for each upload and one for each of its stored parts. The only
// secret in them is the upload's token, which is valid for this one upload and only with a sign-in.
// Where a browser stores nothing (private windows, full disks), calls do nothing and find nothing.

import { openDB } from "idb";

/** @import { DBSchema, IDBPDatabase, IDBPTransaction } from "idb" */
/** @import { PartRecord, UploadRecord } from "./messages.js" */
/** @typedef {{ uploads: { key: string, value: UploadRecord }, parts: { key: [string, number], value: PartRecord } }} Schema */
/** @typedef {IDBPTransaction<Schema, ("uploads" | "parts")[], "readwrite">} Transaction */

/** @type {Promise<IDBPDatabase<Schema>> | undefined} */
let database;

function open() {
  database ??= openDB("greloupis-uploader", 1, {
    upgrade(db) {
      db.createObjectStore("uploads", { keyPath: "id" });
      db.createObjectStore("parts", { keyPath: ["id", "part"] });
    },
  });
  database.catch(() => (database = undefined));
  return database;
}

/**
 * The result of `work`, or `fallback` where the browser stores nothing.
 * @template T
 * @param {"readonly" | "readwrite"} mode
 * @param {T} fallback
 * @param {(transaction: Transaction) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function withTransaction(mode, fallback, work) {
  try {
    const transaction = /** @type {Transaction} */ ((await open()).transaction(["uploads", "parts"], mode));
    const [result] = await Promise.all([work(transaction), transaction.done]);
    return result;
  } catch {
    return fallback;
  }
}

const partsOf = (/** @type {string} */ id) => IDBKeyRange.bound([id], [id, []]);

/** The lock and the channel of an upload, shared by all tabs. @param {string} id */
export const lockName = (id) => `greloupis-uploader:${id}`;

/** @type {() => Promise<UploadRecord[]>} */
export const listUploads = () =>
  withTransaction("readonly", /** @type {UploadRecord[]} */ ([]), (tx) => tx.objectStore("uploads").getAll());

/**
 * The record of that id with its parts.
 * @param {string} id
 */
export const loadUpload = (id) =>
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
  );

/** How many parts of an upload are stored. @param {string} id */
export const countParts = (id) => withTransaction("readonly", 0, (tx) => tx.objectStore("parts").count(partsOf(id)));

/** Creates a record in place of any of the same id and its parts. @param {UploadRecord} record */
export const createUpload = (record) =>
  withTransaction("readwrite", undefined, async (tx) => {
    await Promise.all([tx.objectStore("parts").delete(partsOf(record.id)), tx.objectStore("uploads").put(record)]);
  });

/**
 * Sets fields of a record, if it exists.
 * @param {string} id
 * @param {Partial<UploadRecord>} fields
 */
export const updateUpload = (id, fields) =>
  withTransaction("readwrite", undefined, async (tx) => {
    const record = await tx.objectStore("uploads").get(id);
    if (record) await tx.objectStore("uploads").put({ ...record, ...fields });
  });

/** @param {PartRecord} part */
export const addPart = (part) =>
  withTransaction("readwrite", undefined, async (tx) => {
    await tx.objectStore("parts").put(part);
  });

/** @param {string} id */
export const removeUpload = (id) =>
  withTransaction("readwrite", undefined, async (tx) => {
    await Promise.all([tx.objectStore("parts").delete(partsOf(id)), tx.objectStore("uploads").delete(id)]);
  });
