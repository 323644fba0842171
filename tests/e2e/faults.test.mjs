// Faults between a browser and its storage, one at a time, in two browsers: the file must be stored once, and no
// stored byte sent again.
//
// One case by hand, after `cargo xtask test e2e` or its builds:
//   GRELOUPIS_SITE=target/site GRELOUPIS_LOCAL=target/debug/local GRELOUPIS_FAULT_PROXY=target/debug/fault_proxy \
//     node --test --test-name-pattern='response lost' tests/e2e/faults.test.mjs

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import * as faultProxy from "./support/fault_proxy.mjs";
import { faultSuite } from "./support/fault_suite.mjs";

/**
 * @import { Chromium, Firefox, Profile } from "./support/browsers.mjs"
 * @import { ProxiedSystem, Tab, TestFile } from "./support/fault_proxy.mjs"
 * @typedef {{ maxPerPart?: number, maxTotal?: number, seconds?: number }} Limits
 * @typedef {{
 *   name: string,
 *   only?: string,
 *   rules?: object[],
 *   options?: { partSize: number },
 *   browserDisconnects?: boolean,
 *   during?: (tab: Tab, proxied: ProxiedSystem) => Promise<void>,
 * }} Case
 */

const { MIB } = faultProxy;

/** After so long an upload counts as stuck. Without faults it takes two seconds. */
const UPLOAD_TIMEOUT_MS = 90_000;
/** Uploads that run at once; most of the time they wait for their fault to pass. */
const CONCURRENCY = 4;
/** A browser retries by itself on a reused connection; only after so many faults does the uploader see one. */
const BEYOND_BROWSER_RETRIES = 3;
const OUTAGE_MS = 20_000;

/**
 * A rule for parts.
 *
 * @param {unknown} parts
 * @param {unknown} fault
 * @param {Limits} limits
 */
const partRule = (parts, fault, limits = { maxPerPart: 1 }) => ({ call: "part", parts, fault, ...limits });
/**
 * A rule for another call.
 *
 * @param {string} call
 * @param {unknown} fault
 * @param {Limits} limits
 */
const callRule = (call, fault, limits = { maxTotal: 1 }) => ({ call, fault, ...limits });

/** Options for twenty parts: more than are signed when the upload is opened. */
const TWENTY_PARTS = { partSize: 5 * MIB };

/**
 * Each case has the proxy's `rules` from the start, or a function `during` that acts while the upload runs; `options`
 * of the upload; and `browserDisconnects` where the browser itself may drop requests in flight. Long cases come first.
 *
 * @type {Case[]}
 */
const CASES = [
  { name: "one part stalls in the middle of its body", rules: [partRule({ only: 3 }, { stall: 2_000_000 })] },
  { name: "one part is slowed to 10 kB/s", rules: [partRule({ only: 3 }, { throttle: 10_000 })] },
  { name: "one part is never answered", rules: [partRule({ only: 3 }, "no-response")] },
  { name: "the server is down for 20 s", during: (tab, proxied) => outage(tab, proxied, { down: true }) },
  {
    name: "the signer is down for 20 s",
    rules: [callRule("sign", "bad-gateway", { seconds: 20 })],
    options: TWENTY_PARTS,
  },
  {
    name: "the connection stalls for 20 s",
    browserDisconnects: true,
    during: (tab, proxied) => outage(tab, proxied, { stalled: true }),
  },
  { name: "the browser is offline for 20 s", only: "Chromium", browserDisconnects: true, during: offline },
  { name: "every other part: 503 SlowDown", rules: [partRule("even", "slow-down")] },
  { name: "every other part: 500 InternalError", rules: [partRule("even", "internal-error")] },
  {
    name: "every other part: reset in the middle of its body",
    rules: [partRule("even", { reset: 1_000_000 }, { maxPerPart: BEYOND_BROWSER_RETRIES })],
  },
  {
    name: "every other part: stored, response lost",
    rules: [partRule("even", "lost-response", { maxPerPart: BEYOND_BROWSER_RETRIES })],
  },
  { name: "every other part: stored, response truncated", rules: [partRule("even", "truncated")] },
  { name: "URLs have expired from part 3 on", rules: [partRule({ from: 3 }, "expired")] },
  {
    name: "the signer's responses are truncated",
    rules: [callRule("sign", "truncated", { maxTotal: 2 })],
    options: TWENTY_PARTS,
  },
  {
    name: "no part's ETag and checksum are readable",
    rules: [partRule("all", { "without-headers": ["etag", "x-amz-checksum-crc64nvme"] }, {})],
  },
  { name: "one byte of one part is changed in transit", rules: [partRule({ only: 2 }, "flip-byte")] },
  { name: "the completion answers 500 once", rules: [callRule("complete", "internal-error")] },
  {
    name: "the completion is done, its response lost",
    rules: [callRule("complete", "lost-response", { maxTotal: BEYOND_BROWSER_RETRIES })],
  },
  { name: "the completion is done, its response truncated", rules: [callRule("complete", "truncated")] },
  { name: "the bandwidth drops from 40 MB/s to 5 and recovers", during: bandwidthSteps },
];

/**
 * Applies these settings of the link for 20 s in the middle of the file.
 *
 * @param {Tab} tab
 * @param {ProxiedSystem} proxied
 * @param {{ down?: boolean, stalled?: boolean }} settings
 */
async function outage(tab, proxied, settings) {
  await proxied.proxy.setLink({ bandwidth: 40_000_000 });
  await faultProxy.waitForProgress(tab, 0.3);
  await proxied.proxy.setLink(settings);
  await sleep(OUTAGE_MS);
  await proxied.proxy.setLink({});
}

/**
 * Stalls the link (no connection ends, no byte moves) while the browser reports that it is offline.
 *
 * @param {Tab} tab
 * @param {ProxiedSystem} proxied
 */
async function offline(tab, proxied) {
  const stall = outage(tab, proxied, { stalled: true });
  await faultProxy.waitForProgress(tab, 0.3);
  assert.ok("setOffline" in tab);
  await tab.setOffline(true);
  await stall;
  await tab.setOffline(false);
}

/**
 * @param {Tab} tab
 * @param {ProxiedSystem} proxied
 */
async function bandwidthSteps(tab, proxied) {
  await proxied.proxy.setLink({ bandwidth: 40_000_000 });
  await faultProxy.waitForProgress(tab, 0.3);
  await proxied.proxy.setLink({ bandwidth: 5_000_000 });
  await faultProxy.waitForProgress(tab, 0.5);
  await proxied.proxy.setLink({ bandwidth: 40_000_000 });
}

/**
 * Runs one upload under one fault and returns its cost for the report.
 *
 * @param {Case} testCase
 * @param {Chromium | Firefox} browser
 * @param {ProxiedSystem} proxied
 * @param {TestFile} file
 */
async function run(testCase, browser, proxied, file) {
  const profile = await browser.profile();
  /** @type {Tab | undefined} */
  let tab;
  try {
    tab = await profile.open(proxied.uploaderUrl);
    await proxied.proxy.setRules(testCase.rules ?? []);
    await faultProxy.startUpload(tab, file, testCase.options);
    await testCase.during?.(tab, proxied);
    const report = await faultProxy.waitForEnd(tab, proxied, UPLOAD_TIMEOUT_MS);
    const { browserDisconnects } = testCase;
    const { resent, log } = await faultProxy.assertStoredOnce(proxied, report, file, { browserDisconnects });
    if (testCase.rules)
      assert.ok(
        Object.values(log.faulted).some((count) => count > 0),
        "the fault was injected",
      );
    return `${(resent / 1e6).toFixed(1)} MB again`;
  } finally {
    // Stops polling the conversion, and keeps requests of a failed case out of the next one.
    await tab?.evaluate(() => /** @type {any} */ (globalThis).cancel()).catch(() => {});
    await profile.close();
  }
}

faultSuite("faults", CASES, CONCURRENCY, run);
