// Real files from drop to playback.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as e2e from "./support/index.mjs";

/** @type {e2e.System} */
let system;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  system = await e2e.System.start({}, await e2e.siteWithCsp());
  browser = await e2e.startBrowser();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/**
 * Records the origins to which the page sends parts from now on.
 *
 * @param {e2e.Page} page
 */
function recordPartOrigins(page) {
  const origins = new Set();
  page.on("request", (request) => request.method() === "PUT" && origins.add(new URL(request.url()).origin));
  return origins;
}

/**
 * Drops a file, waits for its video, and checks everything that doesn't depend on the file's content.
 *
 * @param {string} path
 * @param {string} name
 */
async function uploadAndPlay(path, name) {
  const page = await e2e.openPage(browser, system.url);
  const origins = recordPartOrigins(page);
  await e2e.drop(page, [{ path }]);
  const card = e2e.cardOf(page, name);
  await e2e.reachesState(card, "ready");
  assert.deepEqual([...origins], [new URL(system.url).origin], "the page's own origin, so no part needs a preflight");

  const video = await system.api(`/videos/${await e2e.videoIdOf(card)}`);
  assert.equal(video.status, "ready");
  assert.equal(video.progress, 100);
  assert.equal(video.size, await e2e.sizeOf(path));
  assert.equal(await system.storedSha256(video.videoId), await e2e.sha256(path));

  const urls = [video.urls.hls, video.urls.poster, ...video.urls.thumbnails, ...Object.values(video.urls.mp4)];
  for (const url of urls) assert.equal((await fetch(url)).status, 200, url);

  await e2e.playUntil(page, card, 3);
  const decoded = await page.locator("#scenes img").evaluateAll((elements) => {
    const images = /** @type {HTMLImageElement[]} */ (elements);
    return Promise.all(images.map((image) => image.decode().then(() => image.naturalWidth > 0)));
  });
  assert.equal(decoded.length, video.urls.thumbnails.length);
  assert.ok(decoded.length > 0 && decoded.every(Boolean), "thumbnails decode");
  const links = await page
    .locator("#links a")
    .evaluateAll((all) => all.map((link) => /** @type {HTMLAnchorElement} */ (link).href));
  assert.deepEqual(links, Object.values(video.urls.mp4));
  page.assertNoErrors();
  return { page, video };
}

/**
 * Checks size, aspect ratio, codec, rotation, audio and duration of each MP4 and HLS rendition. `sides` are the lengths of
 * the short sides.
 *
 * @param {any} video
 * @param {{ hls: number[], mp4: number[] }} sides
 * @param {{ aspectRatio: number, hasAudio: boolean }} expected
 */
async function assertRenditions(video, sides, { aspectRatio, hasAudio }) {
  const mp4 = Object.entries(video.urls.mp4);
  assert.deepEqual(
    mp4.map(([side]) => Number(side)),
    sides.mp4,
  );
  const files = await Promise.all(mp4.map(([, url]) => e2e.probe(url)));
  const hls = await e2e.renditions(video.urls.hls);
  const shortSide = (/** @type {{ width: number, height: number }} */ { width, height }) => Math.min(width, height);
  assert.deepEqual(hls.map(shortSide), sides.hls);
  assert.deepEqual(files.map(shortSide), sides.mp4);
  for (const file of [...files, ...hls]) {
    assert.equal(file.codec, "h264");
    assert.equal(file.rotation, 0);
    assert.equal(file.hasAudio, hasAudio);
    // Widths are even numbers, so the ratio can be off by a pixel.
    assert.ok(Math.abs(file.width - file.height * aspectRatio) <= 1, `${file.width}×${file.height}`);
    assert.ok(Math.abs(file.seconds - video.durationMs / 1000) < 0.3, `${file.seconds} s`);
  }
}

test("100 MB video is uploaded, converted and played", async () => {
  const path = await e2e.clip("big.mp4");
  assert.ok((await e2e.sizeOf(path)) > 95e6);
  const { page, video } = await uploadAndPlay(path, "big.mp4");
  await assertRenditions(
    video,
    { hls: [360, 540, 720, 1080], mp4: [540, 720, 1080] },
    { aspectRatio: 16 / 9, hasAudio: true },
  );
  assert.equal(video.urls.thumbnails.length, 3);
  await page.context().close();
});

test("portrait phone video stays upright", async () => {
  const path = await e2e.phoneClip();
  const source = await e2e.probe(path);
  assert.deepEqual([source.width, source.height, Math.abs(source.rotation)], [1280, 720, 90]);
  const { page, video } = await uploadAndPlay(path, "phone.mov");
  await assertRenditions(video, { hls: [360, 540, 720], mp4: [540, 720] }, { aspectRatio: 9 / 16, hasAudio: true });
  await page.context().close();
});

test("silent video is converted without audio and not upscaled", async () => {
  const path = await e2e.clip("silent.mp4");
  assert.equal((await e2e.probe(path)).hasAudio, false);
  const { page, video } = await uploadAndPlay(path, "silent.mp4");
  await assertRenditions(video, { hls: [360, 540], mp4: [540] }, { aspectRatio: 16 / 9, hasAudio: false });
  await page.context().close();
});

test("parts are sent to the storage's origin without an upload base URL", async () => {
  const separate = await e2e.System.start({ UPLOAD_BASE_URL: "" }, await e2e.siteWithCsp());
  try {
    const page = await e2e.openPage(browser, separate.url);
    const origins = recordPartOrigins(page);
    const path = await e2e.paddedClip();
    await e2e.drop(page, [{ path }]);
    const card = e2e.cardOf(page, "padded.mp4");
    await e2e.reachesState(card, "ready");
    assert.deepEqual([...origins], [new URL(separate.endpoints.s3).origin]);
    assert.equal(await separate.storedSha256(await e2e.videoIdOf(card)), await e2e.sha256(path));
    page.assertNoErrors();
    await page.context().close();
  } finally {
    await separate.stop();
  }
});

test("log contains no signed URL and no token", () => {
  assert.doesNotMatch(system.log, /X-Amz-Signature|X-Amz-Credential|\/uploads\/[\w-]{40,}/i);
});
