// Starts the worker with the wasm module once, and passes messages between it and the uploads of this page.

import { loadServer, makeWorker, REMEDY, wasm } from "./assets.js";
import { loadWasm } from "./load_wasm.js";
import { isRequest, isResponse, isWasm } from "./options.js";
import { withTimeout } from "./timeout.js";
import { UploadError } from "./upload_error.js";

/** @import { InitOptions } from "./index.js" */
/** @import { PageMessage, WasmSource, WorkerMessage } from "./messages.js" */
/** @typedef {Extract<WorkerMessage, { id: number }>} UploadMessage */
/** @typedef {"worker" | "page"} EngineKind */
/** @typedef {{ postMessage(message: PageMessage, transfer?: Transferable[]): void, kind: EngineKind }} Port */

/** A worker that hasn't answered by then is given up. */
const WORKER_START_TIMEOUT_MS = 10_000;

/** @type {InitOptions} */
let config = {};
/** @type {Promise<Port> | undefined} */
let connection;
/** @type {Promise<WasmSource> | undefined} */
let compilation;
/** Messages that the console has; once is enough. @type {Set<string>} */
const said = new Set();
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
  connection ??= config.worker === false ? startOnPage() : startWorker().catch(startWithoutWorker);
  const starting = connection;
  return starting.catch((cause) => {
    if (connection === starting) connection = undefined;
    const error = new UploadError("not_loaded", `The uploader's worker.js can't be loaded. ${REMEDY}`, { cause });
    say("error", error.message);
    throw error;
  });
}

async function startWorker() {
  const worker = config.worker
    ? new Worker(/** @type {string | URL} */ (config.worker), { type: "module", name: "greloupis-uploader" })
    : makeWorker();
  try {
    await withTimeout(firstMessage(worker), WORKER_START_TIMEOUT_MS);
  } catch (cause) {
    worker.terminate();
    throw cause;
  }
  const stop = () => {
    worker.terminate();
    failAll();
  };
  worker.onerror = stop;
  return listen(worker, "worker", stop);
}

/** @param {Worker} worker @returns {Promise<unknown>} */
const firstMessage = (worker) =>
  new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = (event) => {
      event.preventDefault?.();
      reject(new Error(event.message || "the script can't be loaded"));
    };
  });

/** Where a policy forbids workers or a bundler has lost the file. @param {Error} cause */
async function startWithoutWorker(cause) {
  const port = await startOnPage();
  const address = config.worker ? ` ${String(config.worker).split(/[?#]/)[0]}` : "";
  say(
    "warn",
    `The worker${address} can't be started (${cause.message}), so uploads run on the page's thread. ${REMEDY}`,
  );
  return port;
}

/** Runs the wasm module on the page's thread. */
async function startOnPage() {
  const serve = await loadServer();
  const { port1, port2 } = new MessageChannel();
  serve(port1);
  return listen(port2, "page", failAll);
}

/** @param {"warn" | "error"} level @param {string} message */
function say(level, message) {
  if (said.has(message)) return;
  said.add(message);
  console[level](`@greloupis/uploader: ${message}`);
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
 * @param {EngineKind} kind
 * @param {() => void} onPanic
 * @returns {Port}
 */
function listen(port, kind, onPanic) {
  port.onmessage = (/** @type {MessageEvent<WorkerMessage>} */ { data }) => {
    if ("panic" in data) return onPanic();
    if (!("id" in data)) return;
    if ("event" in data && data.event.type === "failed" && data.event.code === "not_loaded") {
      data.event.message += ` ${REMEDY}`;
      say("error", data.event.message);
    }
    uploads.get(data.id)?.onMessage(data);
  };
  for (const type of ["online", "offline"]) {
    globalThis.addEventListener?.(type, () => port.postMessage({ command: "online", value: type === "online" }));
  }
  return { postMessage: (message, transfer = []) => port.postMessage(message, transfer), kind };
}

/**
 * The wasm, compiled here while the worker starts; where that fails, its URL: then the worker tries, as it may have
 * another policy, and says why it can't.
 * @param {(url: string | URL) => string} absoluteUrl
 * @returns {Promise<WasmSource>}
 */
export async function compileWasm(absoluteUrl) {
  const given = /** @type {unknown} */ (await (config.wasm ?? wasm()));
  if (isWasm(given)) return /** @type {WasmSource} */ (given);
  const url = absoluteUrl(isRequest(given) || isResponse(given) ? given.url : `${given}`);
  compilation ??= compile(url, isResponse(given) ? given : undefined);
  return compilation;
}

/** @param {string} url @param {Response} [response] @returns {Promise<WasmSource>} */
async function compile(url, response) {
  try {
    return await loadWasm(url, response?.clone());
  } catch {
    compilation = undefined;
    // A response may have no URL to be loaded again from.
    return response ? response.arrayBuffer() : url;
  }
}
