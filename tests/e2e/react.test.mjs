// The hook and the component in React 17, 18 and 19, in StrictMode.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build, stop } from "esbuild";
import * as elements from "./support/element.mjs";
import * as e2e from "./support/index.mjs";

const VERSIONS = [17, 18, 19];

/** @type {e2e.System} */
let system;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  const site = await elements.siteWithElement();
  for (const version of VERSIONS) await bundle(site, version);
  await stop();
  system = await e2e.System.start({}, site);
  browser = await e2e.startBrowser();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/**
 * The page with one version of React. The package stays outside, as it is packed.
 *
 * @param {string} site
 * @param {number} version
 */
async function bundle(site, version) {
  const folder = join(import.meta.dirname, "support/react");
  await build({
    entryPoints: [join(folder, "app.jsx")],
    outfile: join(site, `react${version}.js`),
    bundle: true,
    format: "esm",
    jsx: "transform",
    jsxFactory: "React.createElement",
    jsxFragment: "React.Fragment",
    inject: [join(folder, "react.js")],
    define: { "process.env.NODE_ENV": '"development"' },
    alias: {
      react: `react-${version}`,
      "react-dom": `react-dom-${version}`,
      render: join(folder, version === 17 ? "render_17.js" : "render.js"),
      "@greloupis/uploader/react": join(site, "vendor/uploader/react/index.js"),
    },
    external: ["/vendor/*"],
    plugins: [
      {
        name: "served",
        setup({ onResolve }) {
          // The hook is bundled with React; the rest is loaded from where it is served.
          onResolve({ filter: /^\.\.\/(index|queue\/index|element\/index)\.js$/ }, ({ path }) => ({
            path: `/vendor/uploader/${path.slice("../".length)}`,
            external: true,
          }));
        },
      },
    ],
  });
  const html = `<!doctype html><title>React ${version}</title><div id="root"></div><script type="module" src="react${version}.js"></script>`;
  await writeFile(join(site, `react${version}.html`), html);
}

for (const version of VERSIONS) {
  test(`hook_and_component_upload_once_in_strict_mode in React ${version}`, async () => {
    const page = await e2e.openPage(browser, `${system.url}/react${version}.html`);
    const requests = e2e.recordRequests(page, (request) => request.method() === "POST");
    const opened = () => requests.filter((request) => request === "POST /api/uploads").length;
    await page.locator("#outside").setInputFiles(await e2e.clip("silent.mp4"));
    await page.locator('.item[data-state="ready"]', { hasText: "silent" }).waitFor();
    assert.equal(opened(), 1, "one upload for the effect that runs twice");
    await page.locator("#input").setInputFiles([await e2e.clip("upright.mp4"), await e2e.clip("short.mp4")]);
    await page.locator("#totals", { hasText: "3 of 3" }).waitFor();
    assert.equal(opened(), 3);
    const component = page.locator("#component");
    await component.getByRole("button", { name: "Pick" }).waitFor();
    assert.equal(await component.getAttribute("max-files"), "3");
    await component
      .locator("input[type=file]")
      .first()
      .setInputFiles(await e2e.clip("short.mp4"));
    await component.locator('.row[data-state="ready"]').waitFor();
    await page.waitForFunction(() => Reflect.get(globalThis, "seen").length === 4);
    page.assertNoErrors();
    await page.context().close();
  });

  test(`upload_goes_on_when_the_component_is_unmounted in React ${version}`, async () => {
    const page = await e2e.openPage(browser, `${system.url}/react${version}.html`);
    await e2e.throttle(page, 10_000_000);
    await page.locator("#input").setInputFiles(await e2e.paddedClip());
    await page.locator('.item[data-state="uploading"]').waitFor();
    const completed = page.waitForResponse((response) => response.url().endsWith("/complete"));
    await page.evaluate(() => Reflect.get(globalThis, "setShown")(false));
    await page.evaluate(() => Reflect.get(globalThis, "setShown")(true));
    await e2e.throttle(page, 0);
    assert.equal((await completed).status(), 200);
    page.assertNoErrors();
    await page.context().close();
  });
}
