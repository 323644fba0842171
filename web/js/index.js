// The entry point of the package.

import { checkOptions, isAbortSignal, isBlob, isFileHandle, isString, isTitle, isUrl, MIB } from "./options.js";
import { absoluteUrl, Upload } from "./upload.js";
import { configure } from "./worker_client.js";

export { UploadError } from "./upload_error.js";

/** @import { InitOptions, ResumableUpload, UploadOptions } from "./index.js" */

/** @param {InitOptions} [options] */
export function init(options = {}) {
  checkOptions(options, {
    wasm: () => true,
    worker: (value) => value === false || isUrl(value),
  });
  configure(options);
}

/**
 * @param {Blob | FileSystemFileHandle} file
 * @param {UploadOptions} options
 */
export function upload(file, options) {
  if (!isBlob(file) && !isFileHandle(file))
    throw new TypeError("upload() takes a File, a Blob or a FileSystemFileHandle.");
  checkOptions(options, {
    endpoint: isString,
    token: (value) => isString(value) || typeof value === "function",
    signal: isAbortSignal,
    videoId: isString,
    title: isTitle,
    partSize: (value) => isInteger(value) && value % MIB === 0 && value >= 5 * MIB && value <= 5120 * MIB,
    concurrency: (value) => value === "auto" || (isInteger(value) && value >= 1 && value <= 100),
    allowAnyFile: (value) => typeof value === "boolean",
  });
  if (options.endpoint === undefined) throw new TypeError("The option `endpoint` is missing.");
  return new Upload(file, { ...options, endpoint: absoluteUrl(options.endpoint).replace(/\/+$/, "") });
}

/** @returns {Promise<ResumableUpload[]>} */
export async function resumable() {
  const { listResumable } = await import("./resumable.js");
  return listResumable(async (id, endpoint, token) => {
    await new Upload(new Blob(), { endpoint, token, allowAnyFile: true, abandon: id }).done.catch(() => {});
  });
}

/** @type {(value: unknown) => value is number} */
const isInteger = (value) => Number.isInteger(value);
