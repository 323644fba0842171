// What sending costs the page's process: its memory must not grow with the file. Measured without a test driver
// that watches the network, as that would copy every body.

import assert from "node:assert/strict";
import { truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "../bench/browser.mjs";
import { peakOfRenderer } from "../bench/processes.mjs";
import * as e2e from "./support/system.mjs";

const MIB = 2 ** 20;
/** Over the empty page, in bytes. */
const ALLOWED = 64e6;
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

let server;
let address;

before(async () => {
  server = createServer(async (request, response) => {
    if (request.url === "/") return response.setHeader("content-type", "text/html").end(PAGE);
    const file = await readFile(join(e2e.site(), request.url)).catch(() => undefined);
    if (!file) return response.writeHead(404).end();
    response.setHeader("content-type", TYPES[extname(request.url)] ?? "text/plain").end(file);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  address = `http://127.0.0.1:${server.address().port}/`;
});

after(() => server?.close());

/** How much memory sending a file of that size takes over the empty page, in bytes. */
async function cost(size) {
  // All holes: the disk has nothing to do, the uploader everything.
  const path = join(await e2e.folder("inputs"), `${size / MIB}MiB.bin`);
  await writeFile(path, "");
  await truncate(path, size);
  const browser = await launch(e2e.onPath("chromium", "chromium-browser", "google-chrome"));
  try {
    await browser.open(address);
    await browser.pick("input", path);
    const empty = peakOfRenderer(browser.pid);
    const sent = await browser.evaluate(`send(${JSON.stringify(`${e2e.given("GRELOUPIS_FAKE_SERVER")}/plain/api`)})`);
    assert.deepEqual(sent, { size, verified: true });
    return peakOfRenderer(browser.pid) - empty;
  } finally {
    await browser.close();
  }
}

test("aws_sdk_js_v3_5730_memory_stays_the_same_however_large_the_file_is", async () => {
  for (const size of [256 * MIB, 2048 * MIB]) {
    const bytes = await cost(size);
    assert.ok(bytes < ALLOWED, `${size / MIB} MiB take ${(bytes / 1e6).toFixed(0)} MB`);
  }
});
