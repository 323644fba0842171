// Runs the wasm module: in a worker, or on the page's thread where there can be none.

import init, { onPanic } from "./bindings.js";
import { loadWasm } from "./load_wasm.js";
import { listUploads } from "./store.js";
import { UploadHost } from "./upload_host.js";

/** @import { PageMessage, WasmSource, WorkerMessage } from "./messages.js" */

/** The name of the worker; under any other name this file is imported as a module. */
const NAME = "greloupis-uploader";

if ("WorkerGlobalScope" in globalThis && self.name === NAME) serve(self);

/**
 * Takes uploads from `port` and reports their events to it.
 * @param {Pick<MessagePort, "postMessage" | "onmessage"> | typeof self} port
 */
export function serve(port) {
  /** @type {Map<number, UploadHost>} */
  const uploads = new Map();
  /** @type {Promise<unknown> | undefined} */
  let loading;
  const post = (/** @type {WorkerMessage} */ message) => port.postMessage(message);

  const load = (/** @type {WasmSource} */ wasm) => {
    loading ??= init({ module_or_path: typeof wasm === "string" ? loadWasm(wasm) : wasm }).then(() =>
      onPanic((panic) => {
        console.error(panic);
        for (const upload of uploads.values()) upload.abandonLock();
        post({ panic });
      }),
    );
    // A failure isn't remembered: the next upload tries again.
    loading.catch(() => (loading = undefined));
    return loading;
  };

  /** @param {Extract<PageMessage, { command: "start" }>} message */
  const start = async ({ id, value: { wasm, ...options } }) => {
    const createHost = () => {
      const upload = new UploadHost(options, {
        onEvent: (event) => post({ id, event }),
        onTokenRequest: (tokenRequest) => post({ id, tokenRequest }),
        onEnd: () => uploads.delete(id),
        onReplaced(commands) {
          const next = createHost();
          for (const command of commands) next.onCommand(command);
          next.start();
        },
      });
      uploads.set(id, upload);
      return upload;
    };
    const upload = createHost();
    try {
      await load(/** @type {WasmSource} */ (wasm));
    } catch (error) {
      return upload.onEvent({ type: "failed", code: "not_loaded", message: /** @type {Error} */ (error).message });
    }
    upload.start();
  };

  port.onmessage = (/** @type {MessageEvent<PageMessage>} */ { data }) => {
    if (data.command === "start") start(data);
    else if (data.id === undefined) for (const upload of uploads.values()) upload.onCommand(data);
    else uploads.get(data.id)?.onPageMessage(data);
  };
  post({ started: true });
  // Opens the database while the first file is awaited.
  listUploads();
}
