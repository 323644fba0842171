// What is interrupted goes on: paused, offline, after a reload, in a second tab.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as e2e from "./support/system.mjs";

const NAME = "bulky.mp4";
/** Slow enough that there is time for everything, in bytes a second. */
const SLOW = 5_000_000;

let browser;
let system;
let path;

before(async () => {
  system = await e2e.System.start();
  browser = await e2e.startBrowser();
  path = await e2e.bulkyClip();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/** A page on which the file has begun to go up, slowly; `stored` parts have arrived. */
async function begun({ stored = 2, prepare, put = (page) => e2e.drop(page, [{ path }]) } = {}) {
  const page = await e2e.openPage(browser, system.url, { prepare });
  const sent = e2e.partsSent(page);
  await e2e.throttle(page, SLOW);
  await put(page);
  const open = await e2e.partsStored(system, stored);
  return { page, sent, open, card: e2e.cardOf(page, NAME) };
}

/** Stored once and whole, with nothing left over. */
async function arrived(card) {
  await e2e.reaches(card, "ready");
  assert.equal(await system.storedSha256(await e2e.videoIdOf(card)), await e2e.sha256(path));
  assert.deepEqual(await system.openUploads(), []);
}

async function close(page) {
  page.assertQuiet();
  await page.context().close();
}

const unfinished = (page) => page.locator("#unfinished .card");

/** The numbers of the parts that are stored. */
const numbers = async (open) => (await system.storedParts(open)).map((part) => Number.parseInt(part));

test("while it is paused nothing new is sent; then it goes on to the end", async () => {
  const { page, sent, card } = await begun();
  await card.getByRole("button", { name: `Pause: ${NAME}` }).press("Enter");
  await card.and(page.locator("[data-state=paused]")).waitFor();
  await e2e.throttle(page, 0);
  const before = sent.length;
  // Long enough for what is in flight to land, and for what must not come.
  await page.waitForTimeout(3000);
  assert.equal(sent.length, before, "no part is begun");
  const [open] = await system.openUploads();
  assert.equal((await numbers(open)).length, before, "those in flight have arrived");
  assert.match(await card.innerText(), /Paused/);
  const resume = card.getByRole("button", { name: `Resume: ${NAME}` });
  assert.ok(await resume.evaluate((button) => button === document.activeElement), "the same button, still in focus");
  await resume.press("Enter");
  await arrived(card);
  assert.equal(new Set(sent).size, sent.length, "no part was sent twice");
  await close(page);
});

test("without a network it waits, says so, and goes on by itself", async () => {
  const { page, sent, card, open } = await begun();
  await card.getByRole("button", { name: `Pause: ${NAME}` }).click();
  await e2e.until(async () => (await numbers(open)).length === sent.length);
  await e2e.unplug(page);
  await card.getByRole("button", { name: `Resume: ${NAME}` }).click();
  await card.and(page.locator("[data-state=waiting]")).waitFor();
  assert.match(await card.innerText(), /Waiting for the network.*goes on by itself/);
  await e2e.drop(page, [{ path: await e2e.clip("short.mp4") }]);
  const late = e2e.cardOf(page, "short.mp4");
  await late.and(page.locator("[data-state=waiting]")).waitFor();
  await e2e.throttle(page, 0);
  await e2e.reaches(late, "ready");
  await arrived(card);
  await close(page);
});

test("after a reload the same file goes on where it was", async () => {
  const { page, sent, open, card } = await begun({ stored: 3 });
  await e2e.reload(page);
  const stored = await numbers(open);
  await unfinished(page).filter({ hasText: `of 120.0 MB` }).waitFor();
  sent.length = 0;
  await e2e.throttle(page, 0);
  await e2e.drop(page, [{ path }]);
  await unfinished(page).waitFor({ state: "detached" });
  await arrived(card);
  // What was stored but not yet written down may be sent again; a card never begins at nothing.
  assert.ok(sent.length > 0);
  assert.deepEqual(sent.filter((part) => stored.includes(part)), []);
  await close(page);
});

test("continuing without a handle asks for the file, and kindly refuses another", async () => {
  const { page, sent, open, card } = await begun({ stored: 3 });
  const other = join(await e2e.folder("inputs"), "other.mp4");
  await writeFile(other, "something else");
  await e2e.reload(page);
  const stored = await numbers(open);
  sent.length = 0;
  const choose = async (file) => {
    const chooser = page.waitForEvent("filechooser");
    await unfinished(page).getByRole("button", { name: `Continue: ${NAME}` }).click();
    await unfinished(page).filter({ hasText: /Choose “bulky\.mp4” \(120 MB\) once more/ }).waitFor();
    await (await chooser).setFiles(file);
  };
  await choose(other);
  await unfinished(page).filter({ hasText: /“other\.mp4” \(14 B\) is another file/ }).waitFor();
  assert.equal(await page.locator("#queue .card").count(), 0);
  await e2e.throttle(page, 0);
  await choose(path);
  await arrived(card);
  assert.deepEqual(sent.filter((part) => stored.includes(part)), []);
  await close(page);
});

test("with a handle one click is enough", async () => {
  // No dialog can be answered from here, but a file in the browser's own storage has a handle like any other.
  const prepare = (page) =>
    page.addInitScript((name) => {
      window.showOpenFilePicker = async () => [await (await navigator.storage.getDirectory()).getFileHandle(name)];
    }, NAME);
  const put = async (page) => {
    // All behind it is empty.
    const head = [...(await readFile(path)).subarray(0, 1_000_000)];
    await page.evaluate(copy, { name: NAME, head, size: e2e.BULK });
    await page.getByLabel("Choose videos").press("Enter");
  };
  const { page, sent, open, card } = await begun({ stored: 3, prepare, put });
  await e2e.reload(page);
  const stored = await numbers(open);
  sent.length = 0;
  await e2e.throttle(page, 0);
  await unfinished(page).getByRole("button", { name: `Continue: ${NAME}` }).click();
  await arrived(card);
  assert.deepEqual(sent.filter((part) => stored.includes(part)), []);
  await close(page);
});

/** Runs in the page: writes a file into the browser's own storage. */
async function copy({ name, head, size }) {
  const root = await navigator.storage.getDirectory();
  const file = await (await root.getFileHandle(name, { create: true })).createWritable();
  await file.write(Uint8Array.from(head));
  await file.truncate(size);
  await file.close();
}

test("discarding removes it here and from the storage", async () => {
  const { page, open } = await begun();
  await e2e.reload(page);
  await unfinished(page).waitFor();
  assert.equal(await page.locator(".video", { hasText: "Not completely uploaded" }).count(), 0, "it is shown once");
  await unfinished(page).getByRole("button", { name: `Discard: ${NAME}` }).click();
  await page.locator("#unfinished-section").waitFor({ state: "hidden" });
  await e2e.until(async () => (await system.openUploads()).length === 0);
  assert.deepEqual(await system.storedParts(open), []);
  const listed = page.waitForResponse((answer) => answer.url().includes("/videos?"));
  await page.reload();
  // It comes after the look at what is unfinished.
  await listed;
  assert.equal(await unfinished(page).count(), 0);
  await close(page);
});

test("two tabs with one file send it once, and both show how far it is", async () => {
  const { page, sent, card } = await begun();
  const second = await e2e.openPage(browser, system.url, { context: page.context() });
  const also = e2e.partsSent(second);
  await e2e.drop(second, [{ path }]);
  const other = e2e.cardOf(second, NAME);
  await other.and(second.locator("[data-state=uploading]")).waitFor();
  await second.waitForFunction(() => document.querySelector("#queue progress").value > 0.3);
  // Each may tell the one that sends what to do.
  await other.getByRole("button", { name: `Pause: ${NAME}` }).click();
  await card.and(page.locator("[data-state=paused]")).waitFor();
  await other.getByRole("button", { name: `Resume: ${NAME}` }).click();
  await e2e.throttle(page, 0);
  await arrived(card);
  await e2e.reaches(other, "ready");
  assert.equal(await e2e.videoIdOf(other), await e2e.videoIdOf(card));
  assert.deepEqual(also, []);
  assert.equal(new Set(sent).size, sent.length);
  second.assertQuiet();
  await close(page);
});

test("a tab that is closed hands its file over to the other", async () => {
  const { page, card } = await begun();
  const second = await e2e.openPage(browser, system.url, { context: page.context() });
  await e2e.drop(second, [{ path }]);
  const other = e2e.cardOf(second, NAME);
  await other.and(second.locator("[data-state=uploading]")).waitFor();
  await card.waitFor();
  await page.close();
  await arrived(other);
  await close(second);
});
