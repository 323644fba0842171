// Starts the worker with the wasm module once, and passes messages between it and the uploads of this page.

import { isRequest, isResponse, isWasm } from "./options.js";
import { withTimeout } from "./timeout.js";
import { UploadError } from "./upload_error.js";

/** @import { InitOptions } from "./index.js" */
/** @import { PageMessage, WasmSource, WorkerMessage } from "./messages.js" */
/** @typedef {Extract<WorkerMessage, { id: number }>} UploadMessage */
/** @typedef {{ postMessage(message: PageMessage, transfer?: Transferable[]): void }} Port */

/** A script that isn't `worker.js` never answers. */
const START_TIMEOUT_MS = 20_000;

/** @type {InitOptions} */
let config = {};
/** @type {Promise<Port> | undefined} */
let connection;
/** @type {Promise<WasmSource> | undefined} */
let compilation;
/** Receivers of messages by the id of their upload.
    @type {Map<number, { onMessage(message: UploadMessage): void, fail(error: UploadError): void }>} */
export const uploads = new Map();

/** @param {InitOptions} options */
export function configure(options) {
  config = options;
  connection = compilation = undefined;
}

/** The port to the worker, started once. A failure isn't remembered: the next upload tries again. */
export function connect() {
  connection ??= startWorker().catch(startOnPage);
  const starting = connection;
  return starting.catch((cause) => {
    if (connection === starting) connection = undefined;
    throw new UploadError("not_loaded", "The uploader's engine can't be loaded.", { cause });
  });
}

async function startWorker() {
  if (config.worker === false) throw new Error("init() asked for no worker.");
  // `new URL` stands inside `new Worker`, because bundlers look for that form.
  const worker = config.worker
    ? new Worker(/** @type {string | URL} */ (config.worker), { type: "module", name: "greloupis-uploader" })
    : new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "greloupis-uploader" });
  const started = new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = reject;
  });
  try {
    await withTimeout(started, START_TIMEOUT_MS);
  } catch (cause) {
    worker.terminate();
    throw cause;
  }
  const stop = () => {
    worker.terminate();
    failAll();
  };
  worker.onerror = stop;
  return listen(worker, stop);
}

/** Runs the wasm module on the page's thread, where a policy forbids workers or a bundler has lost the file. */
async function startOnPage() {
  const { serve } = await import("./worker.js");
  const { port1, port2 } = new MessageChannel();
  serve(port1);
  return listen(port2, failAll);
}

/** After a panic: the module can't be used any more, so the next upload starts another. */
function failAll() {
  connection = undefined;
  for (const upload of [...uploads.values()]) {
    upload.fail(new UploadError("internal", "The uploader has stopped by a fault of its own."));
  }
}

/**
 * @param {Worker | MessagePort} port
 * @param {() => void} onPanic
 * @returns {Port}
 */
function listen(port, onPanic) {
  port.onmessage = (/** @type {MessageEvent<WorkerMessage>} */ { data }) => {
    if ("panic" in data) onPanic();
    else if ("id" in data) uploads.get(data.id)?.onMessage(data);
  };
  for (const type of ["online", "offline"]) {
    globalThis.addEventListener?.(type, () => port.postMessage({ command: "online", value: type === "online" }));
  }
  return port;
}

/**
 * The wasm, compiled here while the worker starts; where that fails, its URL: then the worker tries.
 * @param {(url: string | URL) => string} absoluteUrl
 * @returns {Promise<WasmSource>}
 */
export async function compileWasm(absoluteUrl) {
  const given = /** @type {unknown} */ (await (config.wasm ?? new URL("./uploader.wasm", import.meta.url)));
  if (isWasm(given)) return /** @type {WasmSource} */ (given);
  if (isResponse(given)) {
    // A response of another type than `application/wasm` can't be compiled while it arrives.
    compilation ??= WebAssembly.compileStreaming(given.clone()).catch(() => given.arrayBuffer());
    return compilation;
  }
  const url = absoluteUrl(isRequest(given) ? given.url : `${given}`);
  compilation ??= WebAssembly.compileStreaming(fetch(url)).catch(() => {
    compilation = undefined;
    return url;
  });
  return compilation;
}
