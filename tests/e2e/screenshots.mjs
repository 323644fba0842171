// Takes screenshots of the page's states: target/screenshots/, and docs/page.png for the README. Needs the tests'
// variables GRELOUPIS_LOCAL and GRELOUPIS_SITE.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { demoVideo } from "./support/demo_video.mjs";
import * as e2e from "./support/index.mjs";

/** @typedef {import("playwright-core").BrowserContextOptions} ScreenOptions */

/** @type {Record<string, ScreenOptions>} */
const SCREENS = {
  wide: { viewport: { width: 1280, height: 900 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
};

const folder = join(e2e.ROOT, "target/screenshots");
await mkdir(folder, { recursive: true });
const files = {
  sunset: { path: await demoVideo("sunset"), name: "Sunset at Naxos.mp4" },
  noon: { path: await demoVideo("noon"), name: "Ferry to Paros.mov" },
  night: { path: await e2e.padded(await demoVideo("night"), "night.mp4"), name: "Night swim.mp4" },
  letter: { path: join(await e2e.testFolder("inputs"), "letter.mp4"), name: "letter.mp4" },
  nothing: { path: join(await e2e.testFolder("inputs"), "nothing.mp4"), name: "nothing.mp4" },
};
await writeFile(files.letter.path, "Dear converter,\n".repeat(500));
await writeFile(files.nothing.path, "");

const browser = await e2e.startBrowser();
const system = await e2e.System.start();
try {
  const screenshot = (/** @type {e2e.Page} */ page, /** @type {string} */ name, path = join(folder, `${name}.png`)) =>
    page.screenshot({ path, animations: "disabled" });
  const open = (/** @type {ScreenOptions} */ options) => e2e.openPage(browser, system.url, { options });
  const close = (/** @type {e2e.Page} */ page) => page.context().close();
  const waitForProgress = (
    /** @type {e2e.Page} */ page,
    /** @type {{ name: string }} */ { name },
    /** @type {number} */ share,
  ) =>
    page.waitForFunction(
      ({ name, share }) => {
        const cards = [...document.querySelectorAll("#queue .card")];
        const card = cards.find((card) => card.querySelector(".name")?.getAttribute("title") === name);
        return (card?.querySelector("progress")?.value ?? 0) > share;
      },
      { name, share },
    );

  // Parts in flight at the pause still finish.
  const waitForStandstill = (/** @type {e2e.Page} */ page, /** @type {{ name: string }} */ file) =>
    e2e.waitUntil(async () => {
      const value = () =>
        e2e
          .cardOf(page, file.name)
          .locator("progress")
          .evaluate((bar) => /** @type {HTMLProgressElement} */ (bar).value);
      const before = await value();
      await page.waitForTimeout(1500);
      return (await value()) === before;
    });
  const waitForImages = (/** @type {e2e.Page} */ page) =>
    page.waitForFunction(() => [...document.images].every((image) => image.complete || image.loading === "lazy"));

  for (const [screen, options] of Object.entries(SCREENS)) {
    const page = await open(options);
    await page.locator("#videos-note", { hasText: "Nothing here yet" }).waitFor();
    await screenshot(page, `empty-${screen}`);
    await close(page);
  }

  for (const [screen, options] of Object.entries(SCREENS)) {
    const page = await open(options);
    await e2e.drop(page, [files.letter, files.nothing]);
    await e2e.reachesState(e2e.cardOf(page, files.letter.name), "failed");
    await e2e.reachesState(e2e.cardOf(page, files.nothing.name), "failed");
    await screenshot(page, `failed-${screen}`);
    await close(page);

    const work = await open(options);
    await e2e.drop(work, [files.sunset]);
    await e2e.reachesState(e2e.cardOf(work, files.sunset.name), "ready");
    await e2e.drop(work, [files.noon]);
    await e2e.reachesState(e2e.cardOf(work, files.noon.name), "converting");
    await e2e.throttle(work, 12_000_000);
    await e2e.drop(work, [files.night]);
    await waitForProgress(work, files.night, 0.35);
    await screenshot(work, `uploading-${screen}`);
    if (screen === "wide") await screenshot(work, "", join(e2e.ROOT, "docs/page.png"));
    const night = e2e.cardOf(work, files.night.name);
    const becomes = (/** @type {string} */ state) => night.and(work.locator(`[data-state=${state}]`)).waitFor();
    await night.getByRole("button", { name: "Pause" }).click();
    await becomes("paused");
    await waitForStandstill(work, files.night);
    await screenshot(work, `paused-${screen}`);
    await e2e.goOffline(work);
    await night.getByRole("button", { name: "Resume" }).click();
    await becomes("waiting");
    await screenshot(work, `waiting-${screen}`);
    await e2e.throttle(work, 12_000_000);
    await e2e.reload(work);
    await work.locator("#unfinished .card").waitFor();
    await waitForImages(work);
    await screenshot(work, `unfinished-${screen}`);
    const chooser = work.waitForEvent("filechooser");
    await work.getByRole("button", { name: "Continue" }).click();
    await (await chooser).setFiles(files.noon.path);
    await work.locator(".note", { hasText: "another file" }).waitFor();
    await screenshot(work, `another-${screen}`);
    await e2e.drop(work, [files.sunset, files.night]);
    await e2e.throttle(work, 0);
    await e2e.reachesState(e2e.cardOf(work, files.sunset.name), "ready");
    await e2e.reachesState(night, "converting");
    await waitForProgress(work, files.night, 0.3);
    await screenshot(work, `converting-${screen}`);
    await e2e.reachesState(night, "ready");
    await e2e.playUntil(work, e2e.cardOf(work, files.sunset.name), 1.5);
    await screenshot(work, `playing-${screen}`);
    await close(work);
  }

  const page = await open(SCREENS.wide);
  await page.locator(".video[data-state=ready]").nth(8).waitFor();
  await waitForImages(page);
  await page.screenshot({ path: join(folder, "list-wide.png"), fullPage: true });
} finally {
  await browser.close();
  await system.stop();
}
