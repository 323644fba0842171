// Takes screenshots of the page, and of the element in the gallery of its states: target/screenshots/, docs/page.png for the
// README, docs/watch.png and docs/embedding/element.png. Needs the tests' variables GRELOUPIS_LOCAL and GRELOUPIS_SITE.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { demoVideo } from "./support/demo_video.mjs";
import { siteWithElement } from "./support/element.mjs";
import * as e2e from "./support/index.mjs";

/** Width, in pixels, and the gallery's parameters. */
const GALLERIES = [
  { width: 360, query: "theme=light&lang=en" },
  { width: 360, query: "theme=dark&lang=ar" },
  { width: 768, query: "theme=light&lang=en" },
  { width: 1440, query: "theme=dark&lang=en" },
];

const folder = join(e2e.ROOT, "target/screenshots");
await mkdir(folder, { recursive: true });
const browser = await e2e.startBrowser();
const system = await e2e.System.start({}, await siteWithElement());
const screenshot = (/** @type {e2e.Page} */ page, /** @type {string} */ path) =>
  page.screenshot({ path, animations: "disabled" });

try {
  for (const { width, query } of GALLERIES) {
    const viewport = { width, height: 3800 };
    const options = { viewport, hasTouch: width < 500, isMobile: width < 500 };
    const page = await e2e.openPage(browser, `${system.url}/gallery/?${query}`, { options });
    await page.locator("#compact .row").nth(2).waitFor();
    await page.waitForLoadState("networkidle");
    await screenshot(page, join(folder, `element-${width}-${query.replaceAll(/\W/g, "-")}.png`));
    await page.context().close();
  }
  const viewport = { width: 720, height: 760 };
  const gallery = await e2e.openPage(browser, `${system.url}/gallery/?only=queue`, { options: { viewport } });
  await gallery.locator("#queue .row").nth(5).waitFor();
  await gallery.waitForLoadState("networkidle");
  await gallery.locator("#queue").screenshot({ path: join(e2e.ROOT, "docs/embedding/element.png") });
  await gallery.context().close();

  const options = { viewport: { width: 1280, height: 900 } };
  const page = await e2e.openPage(browser, system.url, { options });
  for (const [light, name] of /** @type {const} */ ([
    ["noon", "Ferry to Paros.mov"],
    ["sunset", "Sunset at Naxos.mp4"],
  ])) {
    /** @type {{ path: string, name: string }[]} */
    const files = [{ path: await demoVideo(light), name }];
    if (light === "sunset") files.push(await captions("Sunset at Naxos.en.vtt"));
    await e2e.drop(page, files);
    await e2e.reachesState(e2e.cardOf(page, name), "ready");
  }
  const videoId = await e2e.videoIdOf(e2e.cardOf(page, "Sunset at Naxos.mp4"));
  await page.reload();
  await page.locator(".video[data-state=ready] img").nth(1).waitFor();
  await e2e.throttle(page, 9_000_000);
  const night = await e2e.padded(await demoVideo("night"), "night.mp4");
  await e2e.drop(page, [{ path: night, name: "Night swim.mp4" }]);
  await e2e.waitUntil(() =>
    page.evaluate(() => {
      const [item] = /** @type {any} */ (document.querySelector("#uploader")).queue.items;
      return item?.sent > 0.4 * item?.size && item.bytesPerSecond > 0 && item.poster;
    }),
  );
  await screenshot(page, join(e2e.ROOT, "docs/page.png"));
  page.once("dialog", (dialog) => dialog.accept());
  await page.goto(`${system.url}/watch.html?v=${videoId}&t=3`);
  await page.locator("media-settings-menu-button").click();
  await e2e.played(page, 2.9);
  await screenshot(page, join(folder, "watch-settings.png"));
  await page.keyboard.press("Escape");
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
  await showCaptions(page);
  const range = page.locator("media-time-range");
  const { width = 0, height = 0 } = (await range.boundingBox()) ?? {};
  await range.hover({ position: { x: width * 0.62, y: height / 2 } });
  await page.waitForLoadState("networkidle");
  await screenshot(page, join(e2e.ROOT, "docs/watch.png"));
  await page.setViewportSize({ width: 390, height: 780 });
  await screenshot(page, join(folder, "watch-390.png"));
} finally {
  await browser.close();
  await system.stop();
}

/** @param {string} name */
async function captions(name) {
  const path = join(folder, name);
  await writeFile(path, "WEBVTT\n\n00:01.000 --> 00:08.500\nThe last ferry of the day leaves at eight.\n");
  return { path, name };
}

/** @param {e2e.Page} page */
function showCaptions(page) {
  return page.evaluate(async () => {
    const media = /** @type {HTMLVideoElement} */ (document.querySelector("#media"));
    const captions = () => [...media.textTracks].find(({ kind }) => kind === "subtitles");
    while (!captions()) await new Promise((resolve) => setTimeout(resolve, 50));
    const track = /** @type {TextTrack} */ (captions());
    track.mode = "showing";
    while (!track.activeCues?.length) await new Promise((resolve) => setTimeout(resolve, 50));
  });
}
