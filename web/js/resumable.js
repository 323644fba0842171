// Lists what earlier page loads have left unfinished.

import * as store from "./store.js";
import { heldLocks, isSending, UploadLock } from "./upload_lock.js";

/** @import { ResumableUpload } from "./index.js" */
/** @import { UploadRecord } from "./messages.js" */

/** The worker of the page load before a reload can answer for a little while. */
const UNLOAD_MS = 1000;

/**
 * Whether an upload answers, and does so again when the workers of earlier page loads have ended.
 * @param {string} name
 */
const keepsSending = async (name) => {
  if (!(await isSending(name))) return false;
  await new Promise((resolve) => setTimeout(resolve, UNLOAD_MS));
  return isSending(name);
};

/**
 * @param {(id: string, endpoint: string, token: import("./index.js").UploadOptions["token"]) => Promise<void>} abort
 *   aborts the upload of the record of that id
 * @returns {Promise<ResumableUpload[]>}
 */
export async function listResumable(abort) {
  const [locks, all] = await Promise.all([heldLocks(), store.listUploads()]);
  // The lock of the page load before a reload is held a little longer, but nobody answers.
  const isRunning = async (/** @type {UploadRecord} */ { id }) =>
    locks.has(store.lockName(id)) && (await keepsSending(store.lockName(id)));
  const candidates = all.filter(
    ({ stored, canceled, expiresAt = Infinity }) => !stored && !canceled && expiresAt >= Date.now(),
  );
  const running = await Promise.all(candidates.map(isRunning));
  const records = candidates.filter((_record, index) => !running[index]);
  records.sort((a, b) => b.startedAt - a.startedAt);
  return Promise.all(
    records.map(async (record) => {
      const { id, upload, endpoint, fileName, size, lastModified, startedAt, videoId, partSize = 0, handle } = record;
      return {
        ...{ endpoint, fileName, size, lastModified, startedAt, videoId, handle },
        sent: Math.min(size, (await store.countParts(id)) * partSize),
        async forget({ token } = {}) {
          const lock = new UploadLock(store.lockName(id));
          // By now, another tab may have resumed it.
          if (!(await lock.acquire({ wait: false }))) return;
          const canceledId = store.canceledId();
          await store.cancelUpload(id, upload, canceledId);
          lock.release();
          await abort(canceledId, endpoint, token);
        },
      };
    }),
  );
}
