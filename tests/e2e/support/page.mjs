// The page in Chromium: opening it, dropping files, reading its cards, recording its requests.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { findExecutable } from "./files.mjs";
import { TIMEOUT_MS, waitUntil } from "./system.mjs";

/**
 * @import { Browser, BrowserContext, BrowserContextOptions, CDPSession, Locator, Request } from "playwright-core"
 * @typedef {import("playwright-core").Page & { assertNoErrors: () => void }} Page
 * @typedef {{ path: string, name?: string, type?: string, lastModified?: number }} DroppedFile
 * @typedef {{ options?: BrowserContextOptions, context?: BrowserContext, prepare?: (page: Page) => Promise<unknown> }} PageOptions
 */

export const chromiumExecutable = () => findExecutable("chromium", "chromium-browser", "google-chrome");

export const startBrowser = () => chromium.launch({ executablePath: chromiumExecutable() });

/**
 * Opens the page, in a new browser context made by `options`, or in the given `context` beside another page. Collects
 * its exceptions and console errors; `page.assertNoErrors()` fails if there are any.
 *
 * @param {Browser} browser
 * @param {string} url
 * @param {PageOptions} [options]
 * @returns {Promise<Page>}
 */
export async function openPage(browser, url, { options, context: existing, prepare } = {}) {
  const context = existing ?? (await browser.newContext({ locale: "en-GB", ...options }));
  /** @type {string[]} */
  const errors = [];
  const page = Object.assign(await context.newPage(), { assertNoErrors: () => assert.deepEqual(errors, []) });
  page.setDefaultTimeout(TIMEOUT_MS);
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    // Chromium logs each failed request by itself; tests cause those on purpose.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      errors.push(message.text());
  });
  await prepare?.(page);
  await page.goto(url);
  return page;
}

/**
 * Drops files on the page. Each is `{ path, name?, type?, lastModified? }`.
 *
 * @param {Page} page
 * @param {DroppedFile[]} files
 */
export async function drop(page, files) {
  const holder = await page.evaluateHandle(() =>
    Object.assign(document.createElement("input"), { type: "file", multiple: true }),
  );
  // Files picked by an input stay on disk, however large.
  await holder.setInputFiles(files.map((file) => file.path));
  await holder.evaluate((input, files) => {
    const transfer = new DataTransfer();
    [...(input.files ?? [])].forEach((file, index) => {
      const { name, type = file.type, lastModified = file.lastModified } = files[index];
      transfer.items.add(name === undefined ? file : new File([file], name, { type, lastModified }));
    });
    const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
    for (const type of ["dragenter", "dragover", "drop"]) document.body.dispatchEvent(new DragEvent(type, options));
  }, files);
}

/**
 * The uploader's row of the file with exactly this name.
 *
 * @param {Page} page
 * @param {string} name
 */
export function cardOf(page, name) {
  return page.locator("#uploader .row").filter({ has: page.locator(`.row-title[title=${JSON.stringify(name)}]`) });
}

/**
 * Waits until a row reaches a state; fails with the row's text if it ends in another.
 *
 * @param {Locator} card
 * @param {string} state
 */
export async function reachesState(card, state) {
  const wanted = [state, "ready", "failed", "canceled"];
  const reached = await waitUntil(async () => {
    const found = await card.getAttribute("data-state");
    return wanted.includes(found ?? "") ? found : undefined;
  });
  assert.equal(reached, state, await card.innerText());
}

/**
 * The video id of a stored row.
 *
 * @param {Locator} card
 * @returns {Promise<string>}
 */
export const videoIdOf = (card) =>
  card.evaluate((row) => {
    const { host } = /** @type {ShadowRoot} */ (row.getRootNode());
    const id = row.querySelector("slot")?.name.replace("ready-", "");
    return /** @type {any} */ (host).queue.items.find((/** @type {any} */ item) => item.id === id).videoId;
  });

/**
 * Opens the watch page of a row's video by its link and plays until `seconds` have been played.
 *
 * @param {Page} page
 * @param {Locator} card
 * @param {number} seconds
 */
export async function playUntil(page, card, seconds) {
  await page.locator(`#uploader a[href="watch.html?v=${await videoIdOf(card)}"]`).click();
  await page.waitForURL("**/watch.html?v=*");
  await page.locator("media-play-button").click();
  await played(page, seconds);
}

/**
 * Waits until the watch page has played so long.
 *
 * @param {Page} page
 * @param {number} seconds
 */
export const played = (page, seconds) =>
  page.waitForFunction((seconds) => {
    const video = /** @type {HTMLVideoElement | null} */ (document.querySelector("hls-video"));
    return (video?.currentTime ?? 0) > seconds;
  }, seconds);

/**
 * URLs of all resources that the page has fetched.
 *
 * @param {Page} page
 */
export const fetchedUrls = (page) =>
  page.evaluate(() => performance.getEntriesByType("resource").map((entry) => entry.name));

/**
 * Records the page's requests from now on that `filter` accepts, as `METHOD path?query`.
 *
 * @param {Page} page
 * @param {(request: Request) => boolean} [filter]
 */
export function recordRequests(page, filter = () => true) {
  /** @type {string[]} */
  const requests = [];
  page.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    if (filter(request)) requests.push(`${request.method()} ${pathname}${search}`);
  });
  return requests;
}

/**
 * Records the part numbers that the page sends from now on, in order.
 *
 * @param {Page} page
 */
export function recordSentParts(page) {
  /** @type {number[]} */
  const sent = [];
  page.on("request", (request) => {
    if (request.method() === "PUT") sent.push(Number(new URL(request.url()).searchParams.get("partNumber")));
  });
  return sent;
}

/**
 * Reloads the page and confirms its `beforeunload` dialog.
 *
 * @param {Page} page
 */
export async function reload(page) {
  page.once("dialog", (dialog) => dialog.accept());
  await page.reload();
}

/**
 * Limits the page's uploads to so many bytes per second; 0 removes the limit.
 *
 * @param {Page} page
 * @param {number} bytesPerSecond
 */
export const throttle = (page, bytesPerSecond) => emulateNetwork(page, { uploadThroughput: bytesPerSecond || -1 });

/**
 * Takes the page, its workers included, offline.
 *
 * @param {Page} page
 */
export const goOffline = (page) => emulateNetwork(page, { offline: true });

/** @type {WeakMap<Page, Promise<CDPSession>>} */
const sessions = new WeakMap();

/**
 * @param {Page} page
 * @param {{ offline?: boolean, uploadThroughput?: number }} conditions
 */
async function emulateNetwork(page, conditions) {
  // One session per page: the settings of several would conflict.
  const existing = sessions.get(page) ?? page.context().newCDPSession(page);
  sessions.set(page, existing);
  const session = await existing;
  const unlimited = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
  await session.send("Network.emulateNetworkConditions", { ...unlimited, ...conditions });
}
