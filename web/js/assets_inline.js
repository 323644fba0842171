// In place of `assets.js` in the one-file build: worker and wasm are in this file.

import wasmBase64 from "embedded:wasm";
// Both are made by web/build.mjs.
import workerSource from "embedded:worker";

/** A classic worker, which starts from a blob in every browser. */
export function makeWorker() {
  const url = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
  try {
    return new Worker(url, { name: "greloupis-uploader" });
  } finally {
    // The browser has taken the URL by then, but some look it up later.
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}

/** Runs only when it is needed, as jsdom lacks some of what it uses. */
export const loadServer = async () => (await import("./worker.js")).serve;

/** @returns {URL | BufferSource} */
export const wasm = () => Uint8Array.from(atob(wasmBase64), (character) => character.charCodeAt(0));

export const REMEDY =
  "A Content-Security-Policy must have `worker-src blob:` for a worker from this build; or serve worker.js yourself and " +
  "call init({ worker }) with its URL.";
