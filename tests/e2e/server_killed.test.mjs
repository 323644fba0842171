// The server is killed during an upload and during a conversion, and started again on the same data.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as e2e from "./support/index.mjs";

/** @type {e2e.System} */
let system;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  system = await e2e.System.start();
  browser = await e2e.startBrowser();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

test("upload and conversion survive two kills of the server", async () => {
  const path = await e2e.clip("big.mp4");
  const page = await e2e.openPage(browser, system.url);
  const sent = e2e.recordSentParts(page);
  await e2e.throttle(page, 12_000_000);
  await e2e.drop(page, [{ path }]);
  const card = e2e.cardOf(page, "big.mp4");
  const open = await e2e.waitForStoredParts(system, 3);
  await system.kill();
  const sentBeforeKill = sent.length;
  await system.start();
  const kept = await system.storedParts(open);
  assert.ok(kept.length >= 3, "stored parts are still there");
  await e2e.throttle(page, 0);

  await e2e.reachesState(card, "converting");
  const resent = sent.slice(sentBeforeKill).filter((number) => kept.some((part) => part.startsWith(`${number} `)));
  // A part whose response was lost in the kill is sent again, as the page can't know that it is stored.
  assert.ok(resent.length <= 6, `${resent.length} stored parts were sent again`);
  await page.waitForFunction(
    () => /** @type {any} */ (document.querySelector("#uploader")).queue.items[0].percent > 10,
  );
  await system.kill();
  await system.start();

  await e2e.reachesState(card, "ready");
  const videoId = await e2e.videoIdOf(card);
  assert.equal(await system.storedSha256(videoId), await e2e.sha256(path));
  const video = await system.api(`/videos/${videoId}`);
  assert.equal(video.status, "ready");
  assert.deepEqual(Object.keys(video.urls.mp4), ["540", "720", "1080"]);
  for (const url of Object.values(video.urls.mp4)) assert.ok((await e2e.probe(url)).seconds > 6, url);
  assert.deepEqual(await system.openUploads(), [], "nothing is left open");
  const { jobs } = await (await system.aws("mediaconvert", "/2017-08-29/jobs")).json();
  assert.deepEqual(
    jobs.map((/** @type {{ status: string }} */ job) => job.status),
    ["COMPLETE"],
    "one finished job",
  );
  page.assertNoErrors();
  await page.context().close();
});
