// Everything that goes wrong between a browser and its storage, one thing at a time, in two browsers: the
// file must arrive whole, once, with no byte sent again that had arrived.
//
// One row by hand, after `cargo xtask test` or its builds:
//   GRELOUPIS_SITE=target/site GRELOUPIS_LOCAL=target/debug/local GRELOUPIS_FAULT_PROXY=target/debug/fault_proxy \
//     node --test --test-name-pattern='answer lost' tests/e2e/faults.test.mjs

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import * as faultProxy from "./support/fault_proxy.mjs";
import { suite } from "./support/fault_suite.mjs";

const { MIB } = faultProxy;

/** How long an upload may take, in milliseconds, before it counts as stuck. A good line needs two seconds. */
const PATIENCE = 90_000;
/** So many uploads run at once: most of the time they wait for their fault to pass. */
const AT_ONCE = 4;
/** So often a fault strikes that a browser answers by itself, on a connection that it has used before. */
const DEAF = 3;

/** A rule for parts, or for another call. */
const parts = (parts, fault, limits = { each: 1 }) => ({ call: "part", parts, fault, ...limits });
const on = (call, fault, limits = { total: 1 }) => ({ call, fault, ...limits });

/** Twenty parts: four more than come signed with the opening. */
const SMALL = { partSize: 5 * MIB };

/**
 * Each row: what goes wrong, from the start by `rules` or meanwhile by `act`; the options of the upload; and
 * whether the browser itself may drop what is in flight. Those that take long come first.
 */
const ROWS = [
  { name: "one part stalls in the middle of its body", rules: [parts({ only: 3 }, { stall: 2_000_000 })] },
  { name: "one part drips at 10 kB/s", rules: [parts({ only: 3 }, { drip: 10_000 })] },
  { name: "one part is never answered", rules: [parts({ only: 3 }, "silence")] },
  { name: "the server is gone for 20 s", act: (tab, lane) => meanwhile(tab, lane, { dead: true }) },
  { name: "the signer is down for 20 s", rules: [on("sign", "bad-gateway", { seconds: 20 })], options: SMALL },
  { name: "the line stands still for 20 s", left: true, act: (tab, lane) => meanwhile(tab, lane, { still: true }) },
  { name: "the browser is offline for 20 s", only: "Chromium", left: true, act: offline },
  { name: "every other part: 503 SlowDown", rules: [parts("even", "slow-down")] },
  { name: "every other part: 500 InternalError", rules: [parts("even", "internal-error")] },
  { name: "every other part: reset in the middle of its body", rules: [parts("even", { reset: 1_000_000 }, { each: DEAF })] },
  { name: "every other part: stored, answer lost", rules: [parts("even", "lost", { each: DEAF })] },
  { name: "every other part: stored, answer cut off", rules: [parts("even", "truncated")] },
  { name: "URLs have expired from part 3 on", rules: [parts({ from: 3 }, "expired")] },
  { name: "the signer's answers are cut off", rules: [on("sign", "truncated", { total: 2 })], options: SMALL },
  { name: "no part's ETag can be read", rules: [parts("all", { without: ["etag"] }, {})] },
  { name: "no part's checksum can be read", rules: [parts("all", { without: ["x-amz-checksum-crc64nvme"] }, {})] },
  { name: "neither can be read", rules: [parts("all", { without: ["etag", "x-amz-checksum-crc64nvme"] }, {})] },
  { name: "one byte of one part changes on the way", rules: [parts({ only: 2 }, "flip")] },
  { name: "the completion answers 500 once", rules: [on("complete", "internal-error")] },
  { name: "the completion is done, its answer lost", rules: [on("complete", "lost", { total: DEAF })] },
  { name: "the completion is done, its answer cut off", rules: [on("complete", "truncated")] },
  { name: "the line goes from 40 MB/s to 5 and back", act: bandwidthSteps },
];

/** In the middle of the file the line is so for 20 s; then good again. */
async function meanwhile(tab, lane, setting) {
  await lane.proxy.line({ bandwidth: 40_000_000 });
  await faultProxy.sentMoreThan(tab, 0.3);
  await lane.proxy.line(setting);
  await sleep(20_000);
  await lane.proxy.line({});
}

/** The cable is pulled (no connection ends, no byte moves), and the browser knows. */
async function offline(tab, lane) {
  const pulled = meanwhile(tab, lane, { still: true });
  await faultProxy.sentMoreThan(tab, 0.3);
  await tab.offline(true);
  await pulled;
  await tab.offline(false);
}

async function bandwidthSteps(tab, lane) {
  await lane.proxy.line({ bandwidth: 40_000_000 });
  await faultProxy.sentMoreThan(tab, 0.3);
  await lane.proxy.line({ bandwidth: 5_000_000 });
  await faultProxy.sentMoreThan(tab, 0.5);
  await lane.proxy.line({ bandwidth: 40_000_000 });
}

/** One upload under one fault; says what it cost. */
async function run(row, browser, lane, file) {
  const profile = await browser.profile();
  let tab;
  try {
    tab = await profile.open(lane.page);
    await lane.proxy.rules(row.rules ?? []);
    await faultProxy.start(tab, file, row.options);
    await row.act?.(tab, lane);
    const end = await faultProxy.finished(tab, lane, PATIENCE);
    const { again, log } = await faultProxy.assertStored(lane, end, file, { left: row.left });
    if (row.rules) assert.ok(Object.values(log.faulted).some((count) => count > 0), "the fault has struck");
    return `${(again / 1e6).toFixed(1)} MB again`;
  } finally {
    // Nothing watches the conversion, and nothing of a failed row is sent into the next one.
    await tab?.evaluate(() => globalThis.cancel()).catch(() => {});
    await profile.close();
  }
}

suite("faults", ROWS, AT_ONCE, run);
