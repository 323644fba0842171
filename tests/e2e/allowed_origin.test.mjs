// A development server's page on another origin than the system, as `--allow-origin` permits it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import * as e2e from "./support/index.mjs";

/** @type {import("node:http").Server} */
let devServer;
/** The development server's port. `localhost` with it is allowed; 127.0.0.1 is another origin, which isn't. */
let port = 0;
/** @type {e2e.System} */
let system;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  devServer = createServer(async ({ url = "/" }, response) => {
    if (url === "/") return response.setHeader("content-type", "text/html").end("<!doctype html><title>dev</title>");
    const type = extname(url) === ".wasm" ? "application/wasm" : "text/javascript";
    const body = await readFile(join(e2e.siteFolder(), url)).catch(() => undefined);
    return response.writeHead(body ? 200 : 404, { "content-type": type }).end(body);
  });
  await new Promise((listening) => devServer.listen(0, () => listening(undefined)));
  ({ port } = /** @type {import("node:net").AddressInfo} */ (devServer.address()));
  system = await e2e.System.start({}, e2e.siteFolder(), ["--allow-origin", `http://localhost:${port}/`]);
  browser = await e2e.startBrowser();
});

after(async () => {
  await browser?.close();
  await system?.stop();
  devServer?.close().closeAllConnections();
});

/**
 * Uploads a file with the element on a page of the development server.
 *
 * @param {string} host
 */
async function uploadFrom(host) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(e2e.TIMEOUT_MS);
  await page.goto(`http://${host}:${port}/`);
  await page.evaluate(async (endpoint) => {
    // A variable, as TypeScript doesn't know the site's modules.
    const element = "/vendor/uploader/element/index.js";
    await import(element);
    document.body.append(Object.assign(document.createElement("greloupis-uploader"), { endpoint, lang: "en" }));
  }, system.endpoints.api);
  const input = page.locator("greloupis-uploader input[type=file]").first();
  await input.setInputFiles(await e2e.clip("silent.mp4"));
  return page;
}

test("page_of_an_allowed_origin_uploads_and_plays", async () => {
  const page = await uploadFrom("localhost");
  await page.locator('greloupis-uploader .row[data-state="ready"]').waitFor();
  const played = await page.evaluate(async () => {
    const uploader = /** @type {any} */ (document.querySelector("greloupis-uploader"));
    const { urls } = uploader.queue.items[0].video;
    const playlist = await fetch(urls.hls, { headers: { range: "bytes=0-6" } });
    const video = Object.assign(document.createElement("video"), { crossOrigin: "anonymous", muted: true });
    const playable = new Promise((resolve, reject) => {
      video.addEventListener("canplay", resolve);
      video.addEventListener("error", () => reject(new Error(video.error?.message)));
    });
    video.src = /** @type {string[]} */ (Object.values(urls.mp4))[0];
    await playable;
    return [playlist.status, await playlist.text(), video.duration > 0];
  });
  assert.deepEqual(played, [206, "#EXTM3U", true]);
});

test("page_of_another_origin_reaches_nothing", async () => {
  const page = await uploadFrom("127.0.0.1");
  const failed = await page.waitForEvent("requestfailed", (request) => request.url().startsWith(system.url));
  assert.match(failed.url(), /\/api\/uploads$/);
  assert.deepEqual(await system.openUploads(), []);
});
