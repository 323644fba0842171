// From a dropped file to a playing video: real files, the whole way.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as e2e from "./support/system.mjs";

let system;
let browser;

before(async () => {
  system = await e2e.System.start({}, await e2e.carefulSite());
  browser = await e2e.startBrowser();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/** Where parts are sent to from now on. */
function originsOfParts(page) {
  const origins = new Set();
  page.on("request", (request) => request.method() === "PUT" && origins.add(new URL(request.url()).origin));
  return origins;
}

/** Drops a file, waits for its video, and judges all that doesn't depend on what the file is. */
async function journey(path, name, { prepare } = {}) {
  const page = await e2e.openPage(browser, system.url, { prepare });
  const origins = originsOfParts(page);
  await e2e.drop(page, [{ path }]);
  const card = e2e.cardOf(page, name);
  await e2e.reaches(card, "ready");
  assert.deepEqual([...origins], [new URL(system.url).origin], "the page's own, so that no part needs a preflight");

  const video = await system.api(`/videos/${await e2e.videoIdOf(card)}`);
  assert.equal(video.status, "ready");
  assert.equal(video.progress, 100);
  assert.equal(video.size, (await e2e.stat(path)).size);
  assert.equal(await system.storedSha256(video.videoId), await e2e.sha256(path));

  const urls = [video.urls.hls, video.urls.poster, ...video.urls.thumbnails, ...Object.values(video.urls.mp4)];
  for (const url of urls) assert.equal((await fetch(url)).status, 200, url);

  await e2e.playsPast(page, card, 3);
  const pictures = await page.locator("#player-thumbnails img").evaluateAll((all) =>
    Promise.all(all.map((picture) => picture.decode().then(() => picture.naturalWidth > 0))),
  );
  assert.equal(pictures.length, video.urls.thumbnails.length);
  assert.ok(pictures.length > 0 && pictures.every(Boolean), "thumbnails decode");
  const offered = await page.locator("#player-links a").evaluateAll((all) => all.map((link) => link.href));
  assert.deepEqual(offered, Object.values(video.urls.mp4));
  page.assertQuiet();
  return { page, video };
}

/** Checks each MP4 and each HLS rendition: heights as listed, the same shape, sound or none. */
async function hasSizes(video, heights, { shape, sound }) {
  const mp4 = Object.entries(video.urls.mp4);
  assert.deepEqual(mp4.map(([height]) => Number(height)), heights.mp4);
  const files = await Promise.all(mp4.map(([, url]) => e2e.probe(url)));
  const hls = await e2e.renditions(video.urls.hls);
  assert.deepEqual(hls.map(({ height }) => height), heights.hls);
  assert.deepEqual(files.map(({ height }) => height), heights.mp4);
  for (const file of [...files, ...hls]) {
    assert.equal(file.codec, "h264");
    assert.equal(file.rotation, 0);
    assert.equal(file.sound, sound);
    // Sizes are even, so the shape can be off by a pixel.
    assert.ok(Math.abs(file.width - file.height * shape) <= 1, `${file.width}×${file.height}`);
    assert.ok(Math.abs(file.seconds - video.durationMs / 1000) < 0.3, `${file.seconds} s`);
  }
}

test("a file of a hundred megabytes goes up, is converted and plays", async () => {
  const path = await e2e.clip("big.mp4");
  assert.ok((await e2e.stat(path)).size > 95e6);
  const { page, video } = await journey(path, "big.mp4");
  await hasSizes(video, { hls: [360, 540, 720, 1080], mp4: [540, 720, 1080] }, { shape: 16 / 9, sound: true });
  assert.equal(video.urls.thumbnails.length, 3);
  const byItself = await page.evaluate(() => document.createElement("video").canPlayType("application/vnd.apple.mpegurl") !== "");
  assert.equal((await e2e.fetched(page)).some((url) => url.includes("/hls.")), !byItself, "hls.js comes only where it is needed");
  await page.context().close();
});

test("a clip filmed upright stays upright, in hls.js as well", async () => {
  const path = await e2e.phoneClip();
  const lying = await e2e.probe(path);
  assert.deepEqual([lying.width, lying.height, Math.abs(lying.rotation)], [1280, 720, 90]);
  const { page, video } = await journey(path, "phone.mov", {
    prepare: (page) => page.addInitScript(() => (HTMLMediaElement.prototype.canPlayType = () => "")),
  });
  await hasSizes(video, { hls: [360, 540, 720, 1080], mp4: [540, 720, 1080] }, { shape: 9 / 16, sound: true });
  assert.ok((await e2e.fetched(page)).some((url) => url.includes("/hls.")), "hls.js does it");
  await page.context().close();
});

test("a clip without sound is converted, and never made larger", async () => {
  const path = await e2e.clip("silent.mp4");
  assert.equal((await e2e.probe(path)).sound, false);
  const { page, video } = await journey(path, "silent.mp4");
  await hasSizes(video, { hls: [360, 540], mp4: [540] }, { shape: 16 / 9, sound: false });
  await page.context().close();
});

test("parts go to the storage's own origin where nothing stands in front of it", async () => {
  const apart = await e2e.System.start({ UPLOAD_BASE_URL: "" }, await e2e.carefulSite());
  try {
    const page = await e2e.openPage(browser, apart.url);
    const origins = originsOfParts(page);
    const path = await e2e.bulkyClip();
    await e2e.drop(page, [{ path }]);
    const card = e2e.cardOf(page, "bulky.mp4");
    await e2e.reaches(card, "ready");
    assert.deepEqual([...origins], [new URL(apart.endpoints.s3).origin]);
    assert.equal(await apart.storedSha256(await e2e.videoIdOf(card)), await e2e.sha256(path));
    page.assertQuiet();
    await page.context().close();
  } finally {
    await apart.stop();
  }
});

test("no signed URL and no token has got into the log", () => {
  assert.doesNotMatch(system.log, /X-Amz-Signature|X-Amz-Credential|\/uploads\/[\w-]{40,}/i);
});
