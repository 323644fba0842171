// Takes features from the thread that calls it, as browsers do by their settings, versions or defects.

const refuse = () => Promise.reject(new DOMException("refused", "SecurityError"));
const throwRefused = () => {
  throw new DOMException("refused", "SecurityError");
};
const never = () => new Promise(() => {});

/**
 * @param {object} target
 * @param {string} name
 * @param {unknown} value
 */
const replace = (target, name, value) => Object.defineProperty(target, name, { value, configurable: true });

/** @param {unknown} value */
const replaceLocks = (value) => replace(navigatorClass().prototype, "locks", value);

/** The class of `navigator`: another one in workers. */
const navigatorClass = () => /** @type {Function} */ (navigator.constructor);

/** Stands still for `ms` milliseconds after a message, as a tab that the browser has frozen; perhaps in a transaction. */
function freezeOnMessage() {
  const freeze = (/** @type {number} */ ms) => {
    const end = Date.now() + ms;
    while (Date.now() < end);
  };
  new BroadcastChannel("freeze").onmessage = ({ data: { ms, inTransaction } }) => {
    if (!inTransaction) return freeze(ms);
    indexedDB.open("greloupis-uploader").onsuccess = ({ target }) => {
      const database = /** @type {IDBOpenDBRequest} */ (target).result;
      const transaction = database.transaction(["uploads", "parts"], "readwrite");
      transaction.objectStore("uploads").count().onsuccess = () => {
        freeze(ms);
        database.close();
      };
    };
  };
}

/** @type {Record<string, () => unknown>} */
const FEATURES = {
  "locks-absent": () => replaceLocks(undefined),
  "locks-refused": () => replaceLocks({ request: refuse, query: refuse }),
  "locks-throw": () => replaceLocks({ request: throwRefused, query: throwRefused }),
  "locks-never": () => replaceLocks({ request: never, query: never }),
  "locks-query-refused": () => replace(LockManager.prototype, "query", refuse),
  "channel-absent": () => replace(globalThis, "BroadcastChannel", undefined),
  "channel-throws": () => replace(globalThis, "BroadcastChannel", throwRefused),
  "channel-post-throws": () => replace(BroadcastChannel.prototype, "postMessage", throwRefused),
  "indexeddb-absent": () => replace(globalThis, "indexedDB", undefined),
  "indexeddb-throws": () => replace(IDBFactory.prototype, "open", throwRefused),
  "indexeddb-never": () => replace(IDBFactory.prototype, "open", silentOpen(indexedDB.open.bind(indexedDB))),
  "stream-errors": () => replace(Blob.prototype, "stream", brokenStream),
  "stream-never": () => replace(Blob.prototype, "stream", silentStream),
  "slices-error": () => replace(Blob.prototype, "arrayBuffer", refuse),
  "slices-never": () => replace(Blob.prototype, "arrayBuffer", never),
  freezable: () => globalThis.document || freezeOnMessage(),
  "progress-absent": () => replace(XMLHttpRequestUpload.prototype, "addEventListener", () => {}),
};

function brokenStream() {
  return new ReadableStream({ type: "bytes", pull: refuse });
}

function silentStream() {
  return new ReadableStream({ type: "bytes", pull: never });
}

/**
 * Opens a database and reports nothing of it.
 *
 * @param {typeof indexedDB.open} open
 * @returns {typeof indexedDB.open}
 */
function silentOpen(open) {
  return (...args) => {
    const request = open(...args);
    const stop = (/** @type {Event} */ event) => event.stopImmediatePropagation();
    for (const type of ["success", "error", "upgradeneeded"]) request.addEventListener(type, stop);
    return request;
  };
}

/**
 * @param {string} names of features, separated by commas
 */
export function breakBrowser(names) {
  for (const name of names.split(",")) FEATURES[name]();
}
