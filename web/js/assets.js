// Where worker and wasm come from: files beside this one, in forms that bundlers look for.

/** @returns {Worker} */
export const makeWorker = () =>
  new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "greloupis-uploader" });

export const loadServer = async () => (await import("./worker.js")).serve;

/** @returns {URL | BufferSource} */
export const wasm = () => new URL("./uploader.wasm", import.meta.url);

/** The advice for a file that isn't there. */
export const REMEDY =
  'Some bundlers lose worker.js and uploader.wasm: import "@greloupis/uploader/inline" instead, or call ' +
  "init({ wasm, worker }) with the URLs of both files; in Vite, set optimizeDeps.exclude to this package.";
