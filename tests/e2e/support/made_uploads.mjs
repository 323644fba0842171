// Uploads of files that uploader.html makes in the page, several in one page or in several tabs.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import * as e2e from "./index.mjs";

/**
 * @import { ProxiedSystem, Report, Tab } from "./fault_proxy.mjs"
 * @typedef {{ size: number, seed?: number, changed?: number, lastModified?: number }} MadeFile
 * @typedef {Partial<import("@greloupis/uploader").UploadOptions>} Options
 */

const MIB = 2 ** 20;
const END_TIMEOUT_MS = 90_000;

/** Seven parts of 5 MiB, the last one shorter. */
export const MADE_FILE = { size: 32 * MIB };
export const SMALL_PARTS = { partSize: 5 * MIB, concurrency: 3 };

/**
 * Starts the upload `name` in a tab.
 *
 * @param {Tab} tab
 * @param {string} name
 * @param {MadeFile} [file]
 * @param {Options} [options]
 */
export const begin = (tab, name, file = MADE_FILE, options = SMALL_PARTS) =>
  tab.evaluate(
    ({ name, file, options }) => {
      const { begin, makeFile } = /** @type {any} */ (globalThis);
      begin(name, makeFile(file), options);
    },
    { name, file, options },
  );

/**
 * Waits for the end of an upload and returns its report.
 *
 * @param {Tab} tab
 * @param {string} name
 * @returns {Promise<Report>}
 */
export async function endOf(tab, name, timeoutMs = END_TIMEOUT_MS) {
  const finished = tab.evaluate((name) => /** @type {any} */ (globalThis).uploads[name].finished, name);
  finished.catch(() => {});
  const timer = new AbortController();
  const report = await Promise.race([finished, sleep(timeoutMs, null, { signal: timer.signal })]);
  timer.abort();
  if (report) return report;
  throw new Error(`${name} hasn't ended: ${JSON.stringify(await reportOf(tab, name))}`);
}

/**
 * What an upload has reported so far.
 *
 * @param {Tab} tab
 * @param {string} name
 * @returns {Promise<Report>}
 */
export const reportOf = (tab, name) =>
  tab.evaluate((name) => /** @type {any} */ (globalThis).uploads[name].report, name);

/**
 * Calls `cancel`, `pause` or `resume` of an upload.
 *
 * @param {Tab} tab
 * @param {string} name
 * @param {"cancel" | "pause" | "resume"} method
 */
export const command = (tab, name, method) =>
  tab.evaluate(({ name, method }) => /** @type {any} */ (globalThis).uploads[name].run[method](), { name, method });

/**
 * Waits until an upload has reported bytes as sent.
 *
 * @param {Tab} tab
 * @param {string} name
 */
export const hasSent = (tab, name) => e2e.waitUntil(async () => (await reportOf(tab, name)).sent > 0);

/**
 * Checks that an upload has ended as stored, with the bytes of its file; returns the video's id.
 *
 * @param {Tab} tab
 * @param {string} name
 * @param {ProxiedSystem} proxied
 * @param {MadeFile} [file]
 */
export async function assertStored(tab, name, proxied, file = MADE_FILE) {
  const { error, stored, decreases } = await endOf(tab, name);
  assert.deepEqual({ error, decreases }, { error: null, decreases: 0 });
  const expected = await tab.evaluate(
    (file) => /** @type {any} */ (globalThis).sha256(/** @type {any} */ (globalThis).makeFile(file)),
    file,
  );
  assert.equal(await proxied.system.storedSha256(stored.videoId), expected, `the bytes of ${name}`);
  return stored.videoId;
}

/**
 * Checks that so many objects exist and that no upload stays open.
 *
 * @param {ProxiedSystem} proxied
 * @param {number} count
 */
export async function assertObjects(proxied, count) {
  await e2e.waitUntil(async () => (await proxied.system.openUploads()).length === 0);
  assert.equal((await proxied.system.keys("uploads", "inputs/")).length, count, "objects in the bucket");
}

/**
 * Numbers of the parts that were stored more than once.
 *
 * @param {ProxiedSystem} proxied
 */
export async function partsStoredTwice(proxied) {
  const { attempts } = await proxied.proxy.log();
  const stored = attempts.filter(({ outcome }) => outcome === 200).map(({ part }) => part);
  return stored.filter((part, index) => stored.indexOf(part) !== index);
}

/**
 * Lets the parts from `from` on stall, and waits until all before are stored.
 *
 * @param {ProxiedSystem} proxied
 * @param {number} from
 * @param {() => Promise<unknown>} start
 */
export async function stallFrom(proxied, from, start) {
  await proxied.proxy.setRules([{ call: "part", parts: { from }, fault: { stall: 100_000 } }]);
  await start();
  await e2e.waitUntil(async () => {
    const { attempts } = await proxied.proxy.log();
    const stored = attempts.filter(({ outcome }) => outcome === 200);
    return stored.length === from - 1 && attempts.some(({ part }) => part >= from);
  });
}
