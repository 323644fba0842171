// Memory of the page's process during an upload: it must not grow with the file. Uses a browser without network
// instrumentation, which would copy every body.

import assert from "node:assert/strict";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "../bench/browser.mjs";
import { rendererPeakBytes } from "../bench/processes.mjs";
import * as e2e from "./support/index.mjs";

const MIB = 2 ** 20;
/** Limit over the empty page. */
const MAX_GROWTH_BYTES = 64e6;
/** @type {Record<string, string>} */
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };

const PAGE = `<!doctype html><title>memory</title><input type="file"><script type="module">
  globalThis.loaded = Promise.resolve();
  globalThis.send = async (endpoint) => {
    const { upload } = await import("/vendor/uploader/index.js");
    const run = upload(document.querySelector("input").files[0], { endpoint, allowAnyFile: true });
    const { size, verified } = await run.done;
    run.cancel();
    return { size, verified };
  };
</script>`;

/** @type {import("node:http").Server} */
let server;
/** @type {string} */
let pageUrl;

before(async () => {
  server = createServer(async (request, response) => {
    if (request.url === "/") return response.setHeader("content-type", "text/html").end(PAGE);
    const path = join(e2e.siteFolder(), request.url ?? "");
    const file = await readFile(path).catch(() => undefined);
    if (!file) return response.writeHead(404).end();
    response.setHeader("content-type", TYPES[extname(path)] ?? "text/plain").end(file);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  pageUrl = `http://127.0.0.1:${port}/`;
});

after(() => server?.close());

/**
 * Peak memory over the empty page while a file of `size` bytes is sent.
 *
 * @param {number} size
 */
async function memoryGrowth(size) {
  // A sparse file, so reading it needs no disk.
  const path = join(await e2e.testFolder("inputs"), `${size / MIB}MiB.bin`);
  await writeFile(path, "");
  await truncate(path, size);
  const browser = await launch(e2e.chromiumExecutable());
  try {
    await browser.open(pageUrl);
    await browser.pick("input", path);
    const idle = rendererPeakBytes(browser.pid);
    const sent = await browser.evaluate(
      `send(${JSON.stringify(`${e2e.requiredEnv("GRELOUPIS_FAKE_SERVER")}/plain/api`)})`,
    );
    assert.deepEqual(sent, { size, verified: true });
    return rendererPeakBytes(browser.pid) - idle;
  } finally {
    await browser.close();
  }
}

test("aws_sdk_js_v3_5730: memory is independent of the file size", async () => {
  for (const size of [256 * MIB, 2048 * MIB]) {
    const bytes = await memoryGrowth(size);
    assert.ok(bytes < MAX_GROWTH_BYTES, `${size / MIB} MiB took ${(bytes / 1e6).toFixed(0)} MB`);
  }
});
