// What survives a reload: a record for each unfinished upload, and one for each of its stored parts. Nothing of
// it is secret but the upload's token, which is good for this one upload and only together with a sign-in.
// A browser that keeps nothing (private windows, full disks) makes no error of it: then nothing is kept.

const asked = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

let database;

function open() {
  database ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("greloupis-uploader", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("uploads", { keyPath: "id" });
      request.result.createObjectStore("parts", { keyPath: ["id", "part"] });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  }).catch((error) => {
    database = undefined;
    throw error;
  });
  return database;
}

/** Does `work` with both stores in one transaction; `otherwise` where that can't be had. */
async function within(mode, work, otherwise) {
  try {
    const transaction = (await open()).transaction(["uploads", "parts"], mode);
    const [uploads, parts] = ["uploads", "parts"].map((name) => transaction.objectStore(name));
    return await work(uploads, parts);
  } catch {
    return otherwise;
  }
}

const partsOf = (id) => IDBKeyRange.bound([id], [id, []]);

/** The record of that id with its parts, if there is one that hasn't run out. */
export const load = (id) =>
  within("readonly", async (uploads, parts) => {
    const [record, stored] = await Promise.all([asked(uploads.get(id)), asked(parts.getAll(partsOf(id)))]);
    return record && { ...record, parts: stored };
  });

/** All records. */
export const list = () => within("readonly", (uploads) => asked(uploads.getAll()), []);

/** How many parts are stored of a record. */
export const countParts = (id) => within("readonly", (_, parts) => asked(parts.count(partsOf(id))), 0);

/** Begins a record; whatever was there under its id is void. */
export const begin = (record) =>
  within("readwrite", (uploads, parts) => {
    parts.delete(partsOf(record.id));
    return asked(uploads.put(record));
  });

/** Adds fields to a record that is there. */
export const change = (id, fields) =>
  within("readwrite", async (uploads) => {
    const record = await asked(uploads.get(id));
    if (record) await asked(uploads.put({ ...record, ...fields }));
  });

export const addPart = (id, part) => within("readwrite", (_, parts) => asked(parts.put({ ...part, id })));

export const remove = (id) =>
  within("readwrite", (uploads, parts) => {
    parts.delete(partsOf(id));
    return asked(uploads.delete(id));
  });

/** The lock and the channel of a record, shared by all tabs. */
export const nameOf = (id) => `greloupis-uploader:${id}`;
