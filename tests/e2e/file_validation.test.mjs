// Files that the page must refuse or that fail to convert, and file names of every kind.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as e2e from "./support/index.mjs";

const MAX_UPLOAD_BYTES = 20_000_000;

/** @type {e2e.System} */
let system;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  system = await e2e.System.start({ MAX_UPLOAD_BYTES: String(MAX_UPLOAD_BYTES) });
  browser = await e2e.startBrowser();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/**
 * @param {string} name
 * @param {string | Uint8Array} content
 */
async function inputFile(name, content) {
  const path = join(await e2e.testFolder("inputs"), name);
  await writeFile(path, content);
  return path;
}

/**
 * Drops one file that must fail; returns the card's text and the page's requests other than GET.
 *
 * @param {string} path
 * @param {string} name
 */
async function dropFailing(path, name) {
  const page = await e2e.openPage(browser, system.url);
  const requests = e2e.recordRequests(page, (request) => request.method() !== "GET");
  await e2e.drop(page, [{ path }]);
  const card = e2e.cardOf(page, name);
  await e2e.reachesState(card, "failed");
  const text = await card.innerText();
  const announcement = page.locator("#uploader [role=status]", { hasText: `${name.replace(/\.\w+$/, "")}: ` });
  await announcement.waitFor({ state: "attached" });
  page.assertNoErrors();
  await page.context().close();
  return { text, requests };
}

/**
 * A video whose media data is all zeros.
 *
 * @param {string} name
 */
async function videoWithoutPictures(name) {
  const bytes = await readFile(await e2e.clip("short.mp4"));
  bytes.fill(0, bytes.indexOf("mdat") + 4);
  return inputFile(name, bytes);
}

/**
 * The converter's message as the page shows it: without addresses in the storage.
 *
 * @param {{ message: string }} error
 */
const shownMessage = (error) => error.message.replace(/ s3:\S+/, "");

test("empty file is rejected with a message", async () => {
  const page = await e2e.openPage(browser, system.url);
  await e2e.drop(page, [{ path: await inputFile("empty.mp4", "") }]);
  await page.locator("#uploader .notice", { hasText: "“empty.mp4” is empty." }).waitFor();
  assert.equal(await page.locator("#uploader .row").count(), 0);
  page.assertNoErrors();
  await page.context().close();
});

test("file over the size limit is rejected before a byte is sent", async () => {
  const { text } = await dropFailing(await e2e.clip("big.mp4"), "big.mp4");
  assert.match(text, /too large/);
  assert.match(text, /file_too_large/);
  assert.deepEqual(await system.openUploads(), []);
});

test("text file named .mp4 is rejected without a request", async () => {
  const { text, requests } = await dropFailing(
    await inputFile("letter.mp4", "Dear converter,\n".repeat(500)),
    "letter.mp4",
  );
  assert.match(text, /This file isn't a video\./);
  assert.match(text, /not_a_video/);
  assert.doesNotMatch(text, /Try again/, "a retry would fail again");
  assert.deepEqual(requests, []);
});

test("video without pictures fails with the converter's code and message", async () => {
  const { text } = await dropFailing(await videoWithoutPictures("zeros.mp4"), "zeros.mp4");
  assert.match(text, /can't be converted/);
  assert.match(text, /conversion_failed/);
  const { videos } = await system.api("/videos?limit=1");
  assert.equal(videos[0].status, "failed");
  assert.match(videos[0].error.code, /^\d{4}$/);
});

test("failed video shows its error in the list and behind its link", async () => {
  const { videos } = await system.api("/videos");
  const { videoId, error } = videos.find((/** @type {{ status: string }} */ video) => video.status === "failed");
  const page = await e2e.openPage(browser, `${system.url}/watch.html?v=${videoId}`);
  await page.locator("#note", { hasText: shownMessage(error) }).waitFor();
  await page.getByRole("link", { name: "Greloupis Uploads" }).click();
  await page
    .locator(".video[data-state=failed]", { hasText: shownMessage(error) })
    .first()
    .waitFor();
  await page.context().close();
});

test("file names of every kind are kept and never become markup", async () => {
  const names = [
    "my summer video.mp4",
    "1+1=2 & 100%.mp4",
    "#1 %2F ?x=y;z.mp4",
    `"quoted" 'twice' <img src=x onerror=alert(1)>.mp4`,
    "🏖️ παραλία 👨‍👩‍👧‍👦 شاطئ.mp4",
    `${"n".repeat(296)}.mp4`,
    "no extension",
    "HOLIDAY.MOV",
  ];
  assert.equal(names[5].length, 300);
  const page = await e2e.openPage(browser, system.url, { options: { viewport: { width: 360, height: 720 } } });
  // The uploader identifies a file by its content: boxes that players skip make different ones.
  const clip = await readFile(await e2e.clip("short.mp4"));
  const paths = await Promise.all(
    names.map((_, index) =>
      inputFile(`name ${index}.mp4`, Buffer.concat([clip, Buffer.from(`\0\0\0\x09free${index}`)])),
    ),
  );
  await e2e.drop(
    page,
    names.map((name, index) => ({ path: paths[index], name })),
  );
  await page
    .locator("#uploader .row")
    .nth(names.length - 1)
    .waitFor();
  const shown = page.locator("#uploader .row-title");
  assert.deepEqual(
    await shown.evaluateAll((all) => all.map((title) => /** @type {HTMLElement} */ (title).title)),
    names,
  );
  const titles = await shown.allTextContents();
  assert.ok(
    await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
    "no horizontal overflow at 360 px",
  );
  for (let index = 0; index < names.length; index += 1) {
    const card = page.locator("#uploader .row").nth(index);
    await e2e.reachesState(card, "ready");
    assert.equal(await system.storedSha256(await e2e.videoIdOf(card)), await e2e.sha256(paths[index]), names[index]);
  }
  await page.reload();
  await page
    .locator(".video[data-state=ready]")
    .nth(names.length - 1)
    .waitFor();
  const listed = await page.locator(".video[data-state=ready] .name").allTextContents();
  assert.deepEqual(listed.sort(), titles.sort(), "titles are kept");
  page.assertNoErrors();
  await page.context().close();
});
