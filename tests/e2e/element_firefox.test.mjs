// `<greloupis-uploader>` in Firefox: drop, paste, keyboard, reload and resume, form.

import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Firefox } from "./support/browsers.mjs";
import * as elements from "./support/element.mjs";
import * as e2e from "./support/index.mjs";

/** @typedef {Awaited<ReturnType<import("./support/browsers.mjs").Profile["open"]>>} Tab */

/** @type {e2e.System} */
let system;
/** @type {Firefox} */
let browser;

before(async () => {
  system = await e2e.System.start({}, await elements.siteWithElement());
  browser = await Firefox.start();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/**
 * Brings the file at `path` to the element by an event.
 *
 * @param {Tab} tab
 * @param {string} path
 * @param {"drop" | "paste"} kind
 */
async function bring(tab, path, kind) {
  await tab.evaluate(() => {
    document.querySelector("#holder")?.remove();
    document.body.prepend(Object.assign(document.createElement("input"), { id: "holder", type: "file" }));
  });
  await tab.pickFile(path);
  await tab.evaluate((kind) => {
    const transfer = new DataTransfer();
    const [file] = /** @type {HTMLInputElement} */ (document.querySelector("#holder")).files ?? [];
    transfer.items.add(file);
    const options = { bubbles: true, cancelable: true, composed: true };
    const target = document.querySelector("#uploader");
    if (kind === "drop") target?.dispatchEvent(new DragEvent("drop", { ...options, dataTransfer: transfer }));
    else {
      // Firefox leaves out the files of a scripted event.
      const event = new ClipboardEvent("paste", options);
      target?.dispatchEvent(Object.defineProperty(event, "clipboardData", { value: transfer }));
    }
  }, kind);
}

/** @param {Tab} tab @param {string} title @param {string} state */
const reaches = (tab, title, state) =>
  e2e.waitUntil(() =>
    tab.evaluate(
      ({ title, state }) =>
        /** @type {any} */ (document.querySelector("#uploader")).queue?.items.some(
          (/** @type {any} */ item) => item.title === title && item.state === state,
        ),
      { title, state },
    ),
  );

test("drop_paste_keyboard_and_form in Firefox", async () => {
  const profile = await browser.profile();
  const tab = await profile.open(`${system.url}/element.html`);
  await e2e.waitUntil(() => tab.evaluate(() => "loaded" in document.documentElement.dataset));
  await bring(tab, await e2e.clip("silent.mp4"), "drop");
  await bring(tab, await e2e.clip("short.mp4"), "paste");
  await reaches(tab, "silent", "ready");
  await reaches(tab, "short", "ready");
  const page = /** @type {import("puppeteer-core").Page} */ (/** @type {unknown} */ (tab.page));
  const submitted = () => tab.evaluate(() => Reflect.get(globalThis, "seen").submitted);
  await tab.evaluate(() => /** @type {HTMLElement} */ (document.querySelector("#submit")).focus());
  await page.keyboard.press("Enter");
  assert.equal((await submitted())[0].length, 2);
  await tab.evaluate(() => {
    const close = document.querySelector("#uploader")?.shadowRoot?.querySelector(".row [part~=close]");
    if (close instanceof HTMLElement) close.focus();
  });
  await page.keyboard.press("Enter");
  await e2e.waitUntil(() =>
    tab.evaluate(() => /** @type {any} */ (document.querySelector("#uploader")).queue.items.length === 1),
  );
  const focused = await tab.evaluate(
    () => document.querySelector("#uploader")?.shadowRoot?.activeElement?.getAttribute("part") ?? "",
  );
  assert.equal(focused, "icon-button close", "the focus moves to the next row");
  await profile.close();
});

test("unfinished_upload_is_continued_after_reload in Firefox", async () => {
  const profile = await browser.profile();
  const tab = await profile.open(`${system.url}/element.html`);
  const path = join(await e2e.testFolder("inputs"), "continued in Firefox.mp4");
  await copyFile(await e2e.paddedClip(), path);
  await e2e.waitUntil(() => tab.evaluate(() => "loaded" in document.documentElement.dataset));
  await tab.evaluate(() => document.querySelector("#uploader")?.setAttribute("allow-leave", ""));
  await bring(tab, path, "drop");
  await reaches(tab, "continued in Firefox", "uploading");
  await e2e.waitForStoredParts(system, 1);
  await tab.reload();
  await e2e.waitUntil(() =>
    tab.evaluate(() =>
      Boolean(document.querySelector("#uploader")?.shadowRoot?.querySelector("[part=unfinished] .row")),
    ),
  );
  await bring(tab, path, "drop");
  await reaches(tab, "continued in Firefox", "ready");
  await profile.close();
});
