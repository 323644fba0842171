// The entry point of the package.

import { checkOptions, isString, MIB } from "./options.js";
import { absoluteUrl, Upload } from "./upload.js";
import { configure } from "./worker_client.js";

export { UploadError } from "./upload_error.js";

/** @import { InitOptions, ResumableUpload, UploadOptions } from "./index.js" */

/** @param {InitOptions} [options] */
export function init(options = {}) {
  checkOptions(options, {
    wasm: () => true,
    worker: (value) => value === false || isString(value) || value instanceof URL,
  });
  configure(options);
}

/**
 * @param {Blob | FileSystemFileHandle} file
 * @param {UploadOptions} options
 */
export function upload(file, options) {
  const isHandle = globalThis.FileSystemFileHandle && file instanceof FileSystemFileHandle;
  if (!(file instanceof Blob || isHandle))
    throw new TypeError("upload() takes a File, a Blob or a FileSystemFileHandle.");
  checkOptions(options, {
    endpoint: isString,
    token: (value) => isString(value) || typeof value === "function",
    signal: (value) => value instanceof AbortSignal,
    videoId: isString,
    partSize: (value) => isInteger(value) && value % MIB === 0 && value >= 5 * MIB && value <= 5120 * MIB,
    concurrency: (value) => value === "auto" || (isInteger(value) && value >= 1 && value <= 100),
    checksum: (value) => value === "auto" || value === "off",
    allowAnyFile: (value) => typeof value === "boolean",
  });
  if (options.endpoint === undefined) throw new TypeError("The option `endpoint` is missing.");
  return new Upload(file, { ...options, endpoint: absoluteUrl(options.endpoint).replace(/\/+$/, "") });
}

/** @returns {Promise<ResumableUpload[]>} */
export async function resumable() {
  const store = await import("./store.js");
  const { held = [] } = (await globalThis.navigator?.locks?.query()) ?? {};
  const locked = new Set(held.map(({ name }) => name));
  const records = (await store.listUploads()).filter(
    ({ id, stored, canceled, expiresAt = Infinity }) =>
      !stored && !canceled && expiresAt >= Date.now() && !locked.has(store.lockName(id)),
  );
  records.sort((a, b) => b.startedAt - a.startedAt);
  return Promise.all(
    records.map(async ({ id, endpoint, fileName, size, lastModified, startedAt, videoId, partSize = 0, handle }) => ({
      ...{ endpoint, fileName, size, lastModified, startedAt, videoId, handle },
      sent: Math.min(size, (await store.countParts(id)) * partSize),
      async forget({ token } = {}) {
        await store.updateUpload(id, { canceled: true });
        const abandoned = new Upload(new Blob(), { endpoint, token, allowAnyFile: true, abandon: id });
        await abandoned.done.catch(() => {});
      },
    })),
  );
}

/** @type {(value: unknown) => value is number} */
const isInteger = (value) => Number.isInteger(value);
