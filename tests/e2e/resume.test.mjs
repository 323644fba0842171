// Interrupted uploads: paused, offline, after a reload, in a second tab.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as e2e from "./support/index.mjs";

const NAME = "padded.mp4";
const TITLE = "padded";
/** In bytes per second: slow enough to act in the middle of an upload. */
const SLOW_BANDWIDTH = 5_000_000;

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {e2e.System} */
let system;
/** @type {string} */
let path;

before(async () => {
  system = await e2e.System.start();
  browser = await e2e.startBrowser();
  path = await e2e.paddedClip();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/**
 * Opens the page and starts a slow upload; returns once `stored` parts are stored.
 *
 * @param {{ stored?: number, prepare?: (page: e2e.Page) => Promise<unknown>, addFile?: (page: e2e.Page) => Promise<void> }} [options]
 */
async function startSlowUpload({ stored = 2, prepare, addFile = (page) => e2e.drop(page, [{ path }]) } = {}) {
  const page = await e2e.openPage(browser, system.url, { prepare });
  const sent = e2e.recordSentParts(page);
  await e2e.throttle(page, SLOW_BANDWIDTH);
  await addFile(page);
  const open = await e2e.waitForStoredParts(system, stored);
  return { page, sent, open, card: e2e.cardOf(page, NAME) };
}

/**
 * Waits until the video is ready; checks that the file is stored and no upload is left open.
 *
 * @param {import("playwright-core").Locator} card
 */
async function assertStored(card) {
  await e2e.reachesState(card, "ready");
  assert.equal(await system.storedSha256(await e2e.videoIdOf(card)), await e2e.sha256(path));
  assert.deepEqual(await system.openUploads(), []);
}

/** @param {e2e.Page} page */
async function close(page) {
  page.assertNoErrors();
  await page.context().close();
}

/** @param {e2e.Page} page */
const unfinishedCard = (page) => page.locator("#uploader [part=unfinished] .row");

/**
 * Numbers of an upload's stored parts.
 *
 * @param {e2e.OpenUpload} open
 */
const storedNumbers = async (open) => (await system.storedParts(open)).map((part) => Number.parseInt(part, 10));

test("paused upload starts no part and resumes to the end", async () => {
  const { page, sent, card } = await startSlowUpload();
  await card.getByRole("button", { name: `Pause: ${TITLE}` }).press("Enter");
  await card.and(page.locator("[data-state=paused]")).waitFor();
  await e2e.throttle(page, 0);
  const sentBefore = sent.length;
  // Long enough for the parts in flight to finish, and for a part that must not start.
  await page.waitForTimeout(3000);
  assert.equal(sent.length, sentBefore, "no part is started");
  const [open] = await system.openUploads();
  assert.equal((await storedNumbers(open)).length, sentBefore, "the parts in flight are stored");
  assert.match(await card.innerText(), /Paused/);
  const resume = card.getByRole("button", { name: `Resume: ${TITLE}` });
  assert.ok(
    await resume.evaluate((button) => button === /** @type {ShadowRoot} */ (button.getRootNode()).activeElement),
    "the focus stays on the same button",
  );
  await resume.press("Enter");
  await assertStored(card);
  assert.equal(new Set(sent).size, sent.length, "no part was sent twice");
  await close(page);
});

test("offline upload waits, says so, and continues by itself", async () => {
  const { page, sent, card, open } = await startSlowUpload();
  await card.getByRole("button", { name: `Pause: ${TITLE}` }).click();
  await e2e.waitUntil(async () => (await storedNumbers(open)).length === sent.length);
  await e2e.goOffline(page);
  await card.getByRole("button", { name: `Resume: ${TITLE}` }).click();
  await card.and(page.locator("[data-state=waiting]")).waitFor();
  assert.match(await card.innerText(), /Waiting; goes on by itself/);
  await e2e.drop(page, [{ path: await e2e.clip("short.mp4") }]);
  const late = e2e.cardOf(page, "short.mp4");
  await late.and(page.locator("[data-state=waiting]")).waitFor();
  await e2e.throttle(page, 0);
  await e2e.reachesState(late, "ready");
  await assertStored(card);
  await close(page);
});

test("same file resumes after a reload", async () => {
  const { page, sent, open, card } = await startSlowUpload({ stored: 3 });
  await e2e.reload(page);
  const stored = await storedNumbers(open);
  await unfinishedCard(page).filter({ hasText: "120 MB" }).waitFor();
  sent.length = 0;
  await e2e.throttle(page, 0);
  await e2e.drop(page, [{ path }]);
  await unfinishedCard(page).waitFor({ state: "detached" });
  await assertStored(card);
  assert.ok(sent.length > 0);
  assert.deepEqual(
    sent.filter((part) => stored.includes(part)),
    [],
  );
  await close(page);
});

test("continue without a file handle asks for the file and rejects another", async () => {
  const { page, sent, open, card } = await startSlowUpload({ stored: 3 });
  const other = join(await e2e.testFolder("inputs"), "other.mp4");
  await writeFile(other, "something else");
  await e2e.reload(page);
  const stored = await storedNumbers(open);
  sent.length = 0;
  const choose = async (/** @type {string} */ file) => {
    const chooser = page.waitForEvent("filechooser");
    await unfinishedCard(page)
      .getByRole("button", { name: `Continue: ${NAME}` })
      .click();
    await unfinishedCard(page)
      .filter({ hasText: /Choose “padded\.mp4” \(120\sMB\) once more/ })
      .waitFor();
    await (await chooser).setFiles(file);
  };
  await choose(other);
  await unfinishedCard(page)
    .filter({ hasText: /That is another file/ })
    .waitFor();
  assert.equal(await page.locator("#uploader [part=queue] .row").count(), 0);
  await e2e.throttle(page, 0);
  await choose(path);
  await assertStored(card);
  assert.deepEqual(
    sent.filter((part) => stored.includes(part)),
    [],
  );
  await close(page);
});

test("continue with a file handle needs one click", async () => {
  // The test can't answer the dialog, but a file in the origin private file system has a handle as well.
  const prepare = (/** @type {e2e.Page} */ page) =>
    page.addInitScript((/** @type {string} */ name) => {
      /** @type {any} */ (window).showOpenFilePicker = async () => [
        await (await navigator.storage.getDirectory()).getFileHandle(name),
      ];
    }, NAME);
  const addFile = async (/** @type {e2e.Page} */ page) => {
    // The rest of the file is padding.
    const start = [...(await readFile(path)).subarray(0, 1_000_000)];
    await page.evaluate(writePrivateFile, { name: NAME, start, size: e2e.PADDED_SIZE });
    await page.getByRole("button", { name: "Choose videos" }).press("Enter");
  };
  const { page, sent, open, card } = await startSlowUpload({ stored: 3, prepare, addFile });
  await e2e.reload(page);
  const stored = await storedNumbers(open);
  sent.length = 0;
  await e2e.throttle(page, 0);
  await unfinishedCard(page)
    .getByRole("button", { name: `Continue: ${NAME}` })
    .click();
  await assertStored(card);
  assert.deepEqual(
    sent.filter((part) => stored.includes(part)),
    [],
  );
  await close(page);
});

/**
 * Runs in the page: writes a file to the origin private file system.
 *
 * @param {{ name: string, start: number[], size: number }} file
 */
async function writePrivateFile({ name, start, size }) {
  const root = await navigator.storage.getDirectory();
  const file = await (await root.getFileHandle(name, { create: true })).createWritable();
  await file.write(Uint8Array.from(start));
  await file.truncate(size);
  await file.close();
}

test("discard removes the upload from the page and from the storage", async () => {
  const { page, open } = await startSlowUpload();
  await e2e.reload(page);
  await unfinishedCard(page).waitFor();
  assert.equal(
    await page.locator(".video", { hasText: "Not completely uploaded" }).count(),
    0,
    "it is shown only once",
  );
  await unfinishedCard(page)
    .getByRole("button", { name: `Discard: ${NAME}` })
    .click();
  await page.locator("#uploader [part=unfinished]").waitFor({ state: "hidden" });
  await e2e.waitUntil(async () => (await system.openUploads()).length === 0);
  assert.deepEqual(await system.storedParts(open), []);
  const listed = page.waitForResponse((response) => response.url().includes("/videos?"));
  await page.reload();
  // The page lists videos after unfinished uploads, so those would be shown by now.
  await listed;
  assert.equal(await unfinishedCard(page).count(), 0);
  await close(page);
});

test("file added in two tabs is sent once, with progress in both", async () => {
  const { page, sent, card } = await startSlowUpload();
  const second = await e2e.openPage(browser, system.url, { context: page.context() });
  const sentBySecond = e2e.recordSentParts(second);
  await e2e.drop(second, [{ path }]);
  const other = e2e.cardOf(second, NAME);
  await other.and(second.locator("[data-state=uploading]")).waitFor();
  await second.waitForFunction(() => {
    const [item] = /** @type {any} */ (document.querySelector("#uploader")).queue.items;
    return item.sent / item.size > 0.3;
  });
  // Each tab pauses itself alone; one that follows a paused upload waits.
  await other.getByRole("button", { name: `Pause: ${TITLE}` }).click();
  await other.and(second.locator("[data-state=paused]")).waitFor();
  await card.and(page.locator("[data-state=uploading]")).waitFor();
  await other.getByRole("button", { name: `Resume: ${TITLE}` }).click();
  await card.getByRole("button", { name: `Pause: ${TITLE}` }).click();
  await other.and(second.locator("[data-state=waiting]")).getByText("Paused in another tab").waitFor();
  await card.getByRole("button", { name: `Resume: ${TITLE}` }).click();
  await e2e.throttle(page, 0);
  await assertStored(card);
  await e2e.reachesState(other, "ready");
  assert.equal(await e2e.videoIdOf(other), await e2e.videoIdOf(card));
  assert.deepEqual(sentBySecond, []);
  assert.equal(new Set(sent).size, sent.length);
  second.assertNoErrors();
  await close(page);
});

test("closing the sending tab moves the upload to the other", async () => {
  const { page, card } = await startSlowUpload();
  const second = await e2e.openPage(browser, system.url, { context: page.context() });
  await e2e.drop(second, [{ path }]);
  const other = e2e.cardOf(second, NAME);
  await other.and(second.locator("[data-state=uploading]")).waitFor();
  await card.waitFor();
  await page.close();
  await assertStored(other);
  await close(second);
});
