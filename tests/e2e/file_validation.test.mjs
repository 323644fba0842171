// What people really drop: empty files, huge ones, texts that call themselves videos, names of every kind.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as e2e from "./support/system.mjs";

const LIMIT = 20_000_000;

let system;
let browser;

before(async () => {
  system = await e2e.System.start({ MAX_UPLOAD_BYTES: String(LIMIT) });
  browser = await e2e.startBrowser();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

async function file(name, content) {
  const path = join(await e2e.folder("inputs"), name);
  await writeFile(path, content);
  return path;
}

/** Drops one file that must fail; the card's text is returned, and what the page has asked of the API. */
async function failure(path, name) {
  const page = await e2e.openPage(browser, system.url);
  const asked = e2e.requests(page, (request) => request.method() !== "GET");
  await e2e.drop(page, [{ path }]);
  const card = e2e.cardOf(page, name);
  await e2e.reaches(card, "failed");
  const said = await card.innerText();
  const news = await page.locator("#announcements").textContent();
  assert.ok(news.startsWith(`${name}: `), "who can't see the card is told, too");
  page.assertQuiet();
  await page.context().close();
  return { said, asked };
}

/** The head of a video, and nothing but zeros where its pictures should be. */
async function emptied(name) {
  const whole = await readFile(await e2e.clip("short.mp4"));
  whole.fill(0, whole.indexOf("mdat") + 4);
  return file(name, whole);
}

/** A converter's sentence as the page shows it: nobody there knows the storage's addresses. */
const sentence = (error) => error.message.replace(/ s3:\S+/, "");

test("an empty file is refused in plain words", async () => {
  const { said } = await failure(await file("empty.mp4", ""), "empty.mp4");
  assert.match(said, /This file is empty\./);
  assert.match(said, /file_empty/);
});

test("a file over the limit is refused before a byte is sent", async () => {
  const { said } = await failure(await e2e.clip("big.mp4"), "big.mp4");
  assert.match(said, /larger than this page takes/);
  assert.match(said, /file_too_large/);
  assert.deepEqual(await system.openUploads(), []);
});

test("a text that calls itself a video is refused at once, and nobody is asked", async () => {
  const { said, asked } = await failure(await file("letter.mp4", "Dear converter,\n".repeat(500)), "letter.mp4");
  assert.match(said, /This file isn't a video\./);
  assert.match(said, /not_a_video/);
  assert.doesNotMatch(said, /Try again/, "it would only fail again");
  assert.deepEqual(asked, []);
});

test("a video without pictures fails with the converter's number and sentence", async () => {
  const { said } = await failure(await emptied("emptied.mp4"), "emptied.mp4");
  assert.match(said, /couldn't be converted/);
  assert.match(said, /\(\d{4}\)/);
  const { videos } = await system.api("/videos?limit=1");
  assert.equal(videos[0].status, "failed");
  assert.match(videos[0].error.code, /^\d{4}$/);
  assert.ok(said.includes(sentence(videos[0].error)), said);
});

test("a failed video says why in the list and behind its link", async () => {
  const { videos } = await system.api("/videos");
  const { videoId, error } = videos.find((video) => video.status === "failed");
  const page = await e2e.openPage(browser, `${system.url}#v=${videoId}`);
  await page.locator("#player-note", { hasText: sentence(error) }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator(".video[data-state=failed]", { hasText: sentence(error) }).first().waitFor();
  assert.equal(new URL(page.url()).hash, "");
  await page.context().close();
});

test("names of every kind arrive, and none becomes markup", async () => {
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
  const path = await e2e.clip("short.mp4");
  // Of the same bytes and time, two would be one file to the uploader, whatever they are called.
  await e2e.drop(page, names.map((name, at) => ({ path, name, lastModified: 1e12 + at })));
  await page.locator(".card").nth(names.length - 1).waitFor();
  assert.deepEqual(await page.locator(".card .name").allTextContents(), names);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing sticks out at 360 px");
  const sum = await e2e.sha256(path);
  for (let at = 0; at < names.length; at += 1) {
    const card = page.locator(".card").nth(at);
    await e2e.reaches(card, "ready");
    assert.equal(await system.storedSha256(await e2e.videoIdOf(card)), sum, names[at]);
  }
  await page.reload();
  await page.locator(".video[data-state=ready]").nth(names.length - 1).waitFor();
  const listed = await page.locator(".video[data-state=ready] .name").allTextContents();
  assert.deepEqual(listed.sort(), names.slice().sort(), "this browser remembers what it called them");
  page.assertQuiet();
  await page.context().close();
});
