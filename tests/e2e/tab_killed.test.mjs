// The tab is killed or reloaded in the middle of an upload: the same file, picked again, resumes, and what the storage
// has isn't sent again.

import assert from "node:assert/strict";
import * as faultProxy from "./support/fault_proxy.mjs";
import { faultSuite } from "./support/fault_suite.mjs";
import { waitUntil } from "./support/index.mjs";

/**
 * @import { Chromium, Firefox } from "./support/browsers.mjs"
 * @import { ProxiedSystem, Tab, TestFile } from "./support/fault_proxy.mjs"
 * @typedef {{
 *   name: string,
 *   from: number,
 *   bytes: number,
 *   interrupt: (tab: Tab) => Promise<unknown>,
 *   tabSurvives?: boolean,
 * }} Case
 */

const UPLOAD_TIMEOUT_MS = 90_000;
const CONCURRENCY = 2;

/** @param {Tab} tab */
const kill = (tab) => tab.kill();
/** @param {Tab} tab */
const reload = (tab) => tab.reload();

/**
 * From part `from` on, parts stall after so many `bytes`, which holds the upload at the named progress.
 *
 * @type {Case[]}
 */
const CASES = [
  { name: "the tab is killed at 30 %", from: 4, bytes: 1_000_000, interrupt: kill },
  { name: "the tab is killed at 60 %", from: 8, bytes: 1_000_000, interrupt: kill },
  { name: "the tab is killed at 99 %", from: 12, bytes: 6_700_000, interrupt: kill },
  { name: "the page is reloaded at 60 %", from: 8, bytes: 1_000_000, interrupt: reload, tabSurvives: true },
];

/**
 * Waits until all parts before `from` are stored and all later ones that have started are stalled.
 *
 * @param {ProxiedSystem} proxied
 * @param {Case} testCase
 */
function waitForStall(proxied, { from, bytes }) {
  return waitUntil(async () => {
    const { attempts } = await proxied.proxy.log();
    const stored = new Set(attempts.filter(({ outcome }) => outcome === 200).map(({ part }) => part));
    const stalled = attempts.filter(({ part }) => part >= from);
    return stored.size === from - 1 && stalled.length > 0 && stalled.every(({ received }) => received > bytes);
  });
}

/**
 * @param {Case} testCase
 * @param {Chromium | Firefox} browser
 * @param {ProxiedSystem} proxied
 * @param {TestFile} file
 */
async function run(testCase, browser, proxied, file) {
  const profile = await browser.persistentProfile();
  try {
    let tab = await profile.open(proxied.uploaderUrl);
    await proxied.proxy.setRules([{ call: "part", parts: { from: testCase.from }, fault: { stall: testCase.bytes } }]);
    await faultProxy.startUpload(tab, file);
    await waitForStall(proxied, testCase);
    await testCase.interrupt(tab);
    await proxied.proxy.setRules([]);
    if (!testCase.tabSurvives) tab = await profile.open(proxied.uploaderUrl);
    assert.equal(await tab.evaluate(() => /** @type {any} */ (globalThis).resumableCount()), 1, "it is listed at once");
    await faultProxy.startUpload(tab, file);
    const report = await faultProxy.waitForEnd(tab, proxied, UPLOAD_TIMEOUT_MS);
    const { resent } = await faultProxy.assertStoredOnce(proxied, report, file, { browserDisconnects: true });
    assert.equal(
      await tab.evaluate(() => /** @type {any} */ (globalThis).resumableCount()),
      0,
      "no upload is left to resume",
    );
    return `${(resent / 1e6).toFixed(1)} MB again`;
  } finally {
    await profile.close();
  }
}

faultSuite("resume", CASES, CONCURRENCY, run);
