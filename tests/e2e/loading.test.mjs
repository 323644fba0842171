// Worker and wasm that aren't where they should be, or are forbidden: what works in spite of it, and what is said.

import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as elements from "./support/element.mjs";
import * as e2e from "./support/index.mjs";

/** @typedef {import("playwright-core").Route} Route */

/** @type {e2e.System} */
let system;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  const site = await elements.siteWithElement();
  system = await e2e.System.start({}, site);
  browser = await e2e.startBrowser();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/**
 * Uploads a file with `upload()`; returns its result, the number of workers and what the console was told.
 *
 * @param {{ module?: string, routes?: Record<string, (route: Route) => Promise<void>>, csp?: string, init?: object }} options
 */
async function upload({ module = "/vendor/uploader/index.js", routes = {}, csp, init }) {
  const context = await browser.newContext();
  const page = await context.newPage();
  /** @type {string[]} */
  const said = [];
  page.on("console", (message) => message.text().startsWith("@greloupis") && said.push(message.text()));
  await page.route("**/plain.html", (route) =>
    route.fulfill({
      contentType: "text/html",
      headers: csp ? { "content-security-policy": csp } : {},
      body: "<!doctype html><title>plain</title><input type=file>",
    }),
  );
  for (const [pattern, handler] of Object.entries(routes)) await context.route(pattern, handler);
  await page.goto(`${system.url}/plain.html`);
  await page.setInputFiles("input", await e2e.clip("silent.mp4"));
  let workers = 0;
  page.on("worker", () => (workers += 1));
  const result = await page.evaluate(
    async ({ module, init }) => {
      const uploader = await import(module);
      if (init) uploader.init(init);
      const file = document.querySelector("input")?.files?.[0];
      const run = () => uploader.upload(file, { endpoint: "/api" }).done;
      try {
        return { stored: Boolean((await run()).videoId) };
      } catch (error) {
        const again = await run().catch((/** @type {any} */ second) => second.code);
        return { code: /** @type {any} */ (error).code, message: /** @type {any} */ (error).message, again };
      }
    },
    { module, init },
  );
  await context.close();
  return { .../** @type {{ stored?: boolean, code?: string, message?: string }} */ (result), workers, said };
}

/** @param {number} status @param {string} contentType @param {string} body */
const answer = (status, contentType, body) => (/** @type {Route} */ route) =>
  route.fulfill({ status, contentType, body });

const WASM = "**/uploader.wasm";
const WORKER = "**/worker.js";

test("missing_wasm_is_named_with_its_remedy", async () => {
  const { code, message = "", said } = await upload({ routes: { [WASM]: answer(404, "text/plain", "no") } });
  assert.equal(code, "not_loaded");
  assert.match(
    message,
    /uploader\.wasm answered 404 \(text\/plain\).*@greloupis\/uploader\/inline.*optimizeDeps\.exclude/,
  );
  assert.equal(said.length, 1, "once on the console");
});

test("html_in_place_of_wasm_is_named", async () => {
  const { code, message = "" } = await upload({ routes: { [WASM]: answer(200, "text/html", "<h1>Home</h1>") } });
  assert.equal(code, "not_loaded");
  assert.match(message, /uploader\.wasm answered 200 \(text\/html\)/);
});

test("wasm_of_a_wrong_media_type_works", async () => {
  const body = await readFile(join(e2e.siteFolder(), "vendor/uploader/uploader.wasm"));
  const { stored, workers } = await upload({
    routes: { [WASM]: (route) => route.fulfill({ contentType: "application/octet-stream", body }) },
  });
  assert.equal(stored, true);
  assert.equal(workers, 1);
});

test("policy_without_wasm_unsafe_eval_is_named", async () => {
  const csp = "default-src 'self'; script-src 'self'; worker-src 'none'";
  const { code, message = "" } = await upload({ csp });
  assert.equal(code, "not_loaded");
  assert.match(message, /'wasm-unsafe-eval'/);
});

test("strict_policy_with_wasm_unsafe_eval_works", async () => {
  const { stored, workers } = await upload({ csp: "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'" });
  assert.equal(stored, true);
  assert.equal(workers, 1);
});

test("forbidden_worker_is_told_once_and_the_page_sends", async () => {
  const csp = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'";
  const { stored, workers, said } = await upload({ csp });
  assert.equal(stored, true);
  assert.equal(workers, 0);
  assert.equal(said.length, 1);
  assert.match(said[0], /page's thread/);
});

test("worker_that_never_answers_is_given_up", async () => {
  const { stored, said } = await upload({
    routes: { "**/silent.js": answer(200, "text/javascript", "") },
    init: { worker: "/silent.js" },
  });
  assert.equal(stored, true);
  assert.match(said[0], /silent\.js can't be started \(no answer within 10000 ms\)/);
});

test("worker_alone_works_from_another_place", async () => {
  const folder = await mkdtemp(join(await e2e.testFolder("inputs"), "worker-"));
  await copyFile(join(e2e.siteFolder(), "vendor/uploader/worker.js"), join(folder, "worker-4f3a.js"));
  const body = await readFile(join(folder, "worker-4f3a.js"), "utf8");
  const { stored, workers } = await upload({
    routes: { "**/assets/worker-4f3a.js": answer(200, "text/javascript", body) },
    init: { worker: "/assets/worker-4f3a.js" },
  });
  assert.equal(stored, true);
  assert.equal(workers, 1);
});

test("inline_entry_needs_no_other_file", async () => {
  const refuse = answer(404, "text/plain", "no");
  const { stored, workers } = await upload({
    module: "/vendor/uploader/inline/index.js",
    routes: { [WASM]: refuse, [WORKER]: refuse, "**/store.js": refuse },
  });
  assert.equal(stored, true);
  assert.equal(workers, 1);
});

test("page_of_another_origin_than_the_script_works", async () => {
  const port = new URL(system.url).port;
  // The same server under another name is another origin.
  const { stored, workers, said } = await upload({
    module: `http://localhost:${port}/vendor/uploader/index.js`,
    routes: {
      "http://localhost:*/vendor/**": async (route) => {
        const path = new URL(route.request().url()).pathname;
        const response = await fetch(`${system.url}${path}`);
        await route.fulfill({
          status: response.status,
          headers: { "access-control-allow-origin": "*", "content-type": response.headers.get("content-type") ?? "" },
          body: Buffer.from(await response.arrayBuffer()),
        });
      },
    },
  });
  assert.equal(stored, true);
  assert.equal(workers, 0, "browsers start no worker of another origin");
  assert.match(said[0], /page's thread/);
});

test("element_works_under_strict_policy_and_trusted_types", async () => {
  const policy = [
    ...["default-src 'self'", "script-src 'self' 'wasm-unsafe-eval'", "img-src 'self' blob:", "media-src blob:"],
    "require-trusted-types-for 'script'",
  ];
  const page = await (await browser.newContext()).newPage();
  await page.route("**/plain.html", (route) =>
    route.fulfill({
      contentType: "text/html",
      headers: { "content-security-policy": policy.join("; ") },
      body: "<!doctype html><title>plain</title>",
    }),
  );
  await page.goto(`${system.url}/plain.html`);
  await page.evaluate(async () => {
    /** @type {string[]} */
    const violations = [];
    addEventListener("securitypolicyviolation", ({ violatedDirective }) => violations.push(violatedDirective));
    // The specifiers are of the site, which TypeScript doesn't know.
    const [root, element] = ["/vendor/uploader/index.js", "/vendor/uploader/element/index.js"];
    const { init } = await import(root);
    const trusted = Reflect.get(globalThis, "trustedTypes").createPolicy("uploader", {
      createScriptURL: (/** @type {string} */ url) => url,
    });
    init({ worker: trusted.createScriptURL("/vendor/uploader/worker.js") });
    await import(element);
    const uploader = Object.assign(document.createElement("greloupis-uploader"), { id: "uploader", endpoint: "/api" });
    uploader.setAttribute("lang", "en");
    document.body.append(uploader);
    Reflect.set(globalThis, "violations", violations);
  });
  await page
    .locator("#uploader input[type=file]")
    .first()
    .setInputFiles(await e2e.clip("short.mp4"));
  await page.locator('#uploader .row[data-state="ready"]').waitFor();
  await page.locator("#uploader .poster img").waitFor();
  assert.equal(page.workers().length, 1);
  assert.deepEqual(await page.evaluate(() => Reflect.get(globalThis, "violations")), []);
  const color = await page
    .locator("#uploader [part~=choose]")
    .evaluate((button) => getComputedStyle(button).backgroundColor);
  assert.equal(color, "rgb(31, 95, 208)", "the styles are applied");
  await page.context().close();
});
