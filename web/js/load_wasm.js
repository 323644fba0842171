// Fetches and compiles the wasm. What goes wrong is said with the file, with what came instead, and with the remedy.

import { UploadError } from "./upload_error.js";

/**
 * @param {string} url
 * @param {Response} [given] in place of a request
 */
export async function loadWasm(url, given) {
  const response = given ?? (await request(url));
  const type = response.headers.get("content-type") ?? "no content type";
  if (!response.ok || type.startsWith("text/html")) {
    throw new UploadError(
      "not_loaded",
      `${withoutQuery(url)} answered ${response.status} (${type}), which is no WebAssembly.`,
    );
  }
  const bytes = type.startsWith("application/wasm") ? undefined : await response.arrayBuffer();
  try {
    return await (bytes ? WebAssembly.compile(bytes) : WebAssembly.compileStreaming(response));
  } catch (cause) {
    throw new UploadError("not_loaded", compileFailure(url, cause), { cause });
  }
}

/** @param {string} url */
async function request(url) {
  try {
    return await fetch(url);
  } catch (cause) {
    const reason = "The network, CORS or the `connect-src` of a Content-Security-Policy may be the cause.";
    throw new UploadError("not_loaded", `${withoutQuery(url)} can't be fetched. ${reason}`, { cause });
  }
}

/** @param {string} url @param {unknown} cause */
function compileFailure(url, cause) {
  const { message = "" } = /** @type {Error} */ (cause);
  if (/unsafe-eval|content security policy|\bCSP\b/i.test(message)) {
    return "The Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src.";
  }
  return `${withoutQuery(url)} can't be compiled as WebAssembly: ${message}`;
}

/** Queries may be signatures. @param {string} url */
const withoutQuery = (url) => url.split(/[?#]/)[0];
