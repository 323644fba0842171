// `<greloupis-uploader>` in Chromium against the whole system: form, drop, paste, keyboard, resuming, limits.

import assert from "node:assert/strict";
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as elements from "./support/element.mjs";
import * as e2e from "./support/index.mjs";

/** @type {e2e.System} */
let system;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  system = await e2e.System.start({}, await elements.siteWithElement());
  browser = await e2e.startBrowser();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/** @param {e2e.PageOptions} [options] */
async function openForm(options) {
  const page = await e2e.openPage(browser, `${system.url}/element.html`, options);
  await page.locator("html[data-loaded]").waitFor();
  return page;
}

/** @param {e2e.Page} page @param {string | string[]} paths */
const pick = (page, paths) => page.locator("#uploader input[type=file]").first().setInputFiles(paths);
/** @param {e2e.Page} page @returns {Promise<any>} */
const seen = (page) => page.evaluate(() => Reflect.get(globalThis, "seen"));
/** @param {e2e.Page} page */
const isValid = (page) =>
  page.locator("#form").evaluate((form) => /** @type {HTMLFormElement} */ (form).checkValidity());
/** @param {e2e.Page} page */
const focusedPart = (page) =>
  page.evaluate(() => document.querySelector("#uploader")?.shadowRoot?.activeElement?.getAttribute("part"));

test("form_is_sent_only_with_all_videos_stored", async () => {
  const page = await openForm();
  assert.equal(await isValid(page), false, "required and empty");
  await e2e.throttle(page, 4_000_000);
  await pick(page, await e2e.paddedClip());
  await elements.rowReaches(page, "padded", "uploading");
  await page.locator("#submit").click();
  assert.deepEqual((await seen(page)).submitted, [], "nothing is sent during the upload");
  assert.match(
    await page.evaluate(() => /** @type {any} */ (document.querySelector("#uploader")).validationMessage),
    /Wait until/,
  );
  await e2e.throttle(page, 0);
  await elements.rowReaches(page, "padded", "ready");
  await page.locator("#submit").click();
  const { submitted, changes } = await seen(page);
  assert.equal(submitted.length, 1);
  assert.equal(submitted[0].length, 1);
  assert.equal(changes, 1);
  const video = await system.api(`/videos/${submitted[0][0]}`);
  assert.equal(video.status, "ready");
  await page.locator("#reset").click();
  await page.locator("#uploader .row").waitFor({ state: "detached" });
  assert.equal(await isValid(page), false, "reset and empty again");
  page.assertNoErrors();
  await page.context().close();
});

test("dropped_and_pasted_files_are_uploaded_duplicates_are_not", async () => {
  const page = await openForm();
  await elements.bring(page, [await e2e.clip("silent.mp4"), await e2e.clip("upright.mp4")], "drop");
  await elements.bring(page, [await e2e.clip("short.mp4"), await e2e.clip("silent.mp4")], "paste");
  for (const title of ["silent", "upright", "short"]) await elements.rowReaches(page, title, "ready");
  assert.equal(await page.locator("#uploader .row").count(), 3);
  assert.match(await page.locator("#uploader .notice").innerText(), /“silent.mp4” is already in the list/);
  const { events } = await seen(page);
  assert.equal(events.filter((/** @type {string} */ event) => event.startsWith("ready")).length, 3);
  page.assertNoErrors();
  await page.context().close();
});

test("keyboard_alone_pauses_resumes_cancels_and_removes", async () => {
  const page = await openForm();
  await page.keyboard.press("Tab");
  assert.equal(await focusedPart(page), "button choose");
  await e2e.throttle(page, 2_000_000);
  await pick(page, await e2e.paddedClip());
  await elements.rowReaches(page, "padded", "uploading");
  await page.keyboard.press("Tab");
  assert.equal(await focusedPart(page), "icon-button pause");
  await page.keyboard.press("Enter");
  await elements.rowReaches(page, "padded", "paused");
  await page.keyboard.press("Space");
  await elements.rowReaches(page, "padded", "uploading");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await elements.rowReaches(page, "padded", "canceled");
  assert.equal(await focusedPart(page), "icon-button close", "the focus stays");
  await page.keyboard.press("Enter");
  await page.locator("#uploader .row").waitFor({ state: "detached" });
  assert.equal(await focusedPart(page), "button choose", "the focus moves on");
  assert.equal((await system.openUploads()).length, 0);
  page.assertNoErrors();
  await page.context().close();
});

test("unfinished_upload_is_continued_after_reload", async () => {
  const page = await openForm();
  const path = join(await e2e.testFolder("inputs"), "continued.mp4");
  await copyFile(await e2e.paddedClip(), path);
  await e2e.throttle(page, 8_000_000);
  await pick(page, path);
  await e2e.waitForStoredParts(system, 2);
  await e2e.reload(page);
  await page.locator("html[data-loaded]").waitFor();
  const unfinished = page.locator("#uploader [part=unfinished] .row");
  await unfinished.getByText("continued.mp4").waitFor();
  const other = page.waitForEvent("filechooser");
  await unfinished.getByRole("button", { name: /^Continue/ }).click();
  await (await other).setFiles(await e2e.clip("silent.mp4"));
  await unfinished.getByText("That is another file").waitFor();
  const chooser = page.waitForEvent("filechooser");
  await unfinished.getByRole("button", { name: /^Continue/ }).click();
  const sent = e2e.recordSentParts(page);
  await e2e.throttle(page, 0);
  await (await chooser).setFiles(path);
  await elements.rowReaches(page, "continued", "ready");
  assert.ok(sent.length < 15 && !sent.includes(1), `only the missing parts are sent: ${sent}`);
  page.assertNoErrors();
  await page.context().close();
});

test("element_moved_and_removed_while_sending_loses_nothing", async () => {
  const page = await openForm();
  await e2e.throttle(page, 8_000_000);
  await pick(page, await e2e.paddedClip());
  await elements.rowReaches(page, "padded", "uploading");
  await page.evaluate(() => {
    const uploader = /** @type {HTMLElement} */ (document.querySelector("#uploader"));
    document.querySelector("#fieldset")?.append(uploader);
    uploader.remove();
    Reflect.set(globalThis, "removed", uploader);
  });
  await e2e.throttle(page, 0);
  await page.waitForFunction(() => Reflect.get(globalThis, "removed").queue.items[0].state === "ready");
  await page.evaluate(() => document.querySelector("#form")?.prepend(Reflect.get(globalThis, "removed")));
  await elements.rowReaches(page, "padded", "ready");
  page.assertNoErrors();
  await page.context().close();
});

test("disabled_fieldset_takes_no_files", async () => {
  const page = await openForm();
  await page.evaluate(() => {
    const fieldset = /** @type {HTMLFieldSetElement} */ (document.querySelector("#fieldset"));
    fieldset.append(/** @type {HTMLElement} */ (document.querySelector("#uploader")));
    fieldset.disabled = true;
  });
  await elements.bring(page, [await e2e.clip("silent.mp4")], "drop");
  assert.equal(await page.locator("#uploader [part~=choose]").isDisabled(), true);
  assert.deepEqual((await seen(page)).events, []);
  await page.context().close();
});

test("limits_and_canceled_event_leave_files_out", async () => {
  const page = await openForm();
  const empty = join(await e2e.testFolder("inputs"), "empty.mp4");
  const text = join(await e2e.testFolder("inputs"), "notes.txt");
  await writeFile(empty, "");
  await writeFile(text, "notes");
  await page.evaluate(() => {
    const uploader = /** @type {any} */ (document.querySelector("#uploader"));
    Object.assign(uploader, { accept: "video/*", maxFiles: 1, maxSize: "50MB", maxDuration: 0.5 });
  });
  await pick(page, [empty, text, await e2e.paddedClip(), await e2e.clip("silent.mp4"), await e2e.clip("upright.mp4")]);
  const notice = page.locator("#uploader .notice");
  for (const text of [
    /“empty.mp4” is empty/,
    /“notes.txt” isn't/,
    /“padded.mp4” is too large/,
    /“upright.mp4” was left out/,
  ]) {
    await notice.getByText(text).waitFor();
  }
  await elements.rowReaches(page, "silent", "failed");
  await page.locator("#uploader .row").getByText("too long").waitFor();
  await page.evaluate(() => {
    const uploader = /** @type {any} */ (document.querySelector("#uploader"));
    uploader.queue.remove();
    uploader.addEventListener("filesadded", (/** @type {Event} */ event) => event.preventDefault());
  });
  await pick(page, [await e2e.clip("short.mp4")]);
  assert.equal(
    await page.evaluate(() => /** @type {any} */ (document.querySelector("#uploader")).queue.items.length),
    0,
  );
  page.assertNoErrors();
  await page.context().close();
});
