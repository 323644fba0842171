// The tab dies in the middle, or the page is loaded anew: the same file, picked again, goes on where it was.
// What the storage has is not sent a second time.

import assert from "node:assert/strict";
import * as faultProxy from "./support/fault_proxy.mjs";
import { suite } from "./support/fault_suite.mjs";
import * as e2e from "./support/system.mjs";

const PATIENCE = 90_000;
const AT_ONCE = 2;

const kill = (tab) => tab.kill();

/** From part `from` on, parts stand still after so many bytes: by then the upload is where the row says. */
const ROWS = [
  { name: "the tab is killed at 30 %", from: 4, bytes: 1_000_000, end: kill },
  { name: "the tab is killed at 60 %", from: 8, bytes: 1_000_000, end: kill },
  { name: "the tab is killed at 99 %", from: 12, bytes: 6_700_000, end: kill },
  { name: "the page is loaded anew at 60 %", from: 8, bytes: 1_000_000, end: (tab) => tab.reload(), stays: true },
];

/** Waits until all parts before `from` are stored and every other one that has begun stands still. */
function standsStill(lane, { from, bytes }) {
  return e2e.until(async () => {
    const { tries } = await lane.proxy.log();
    const stored = new Set(tries.filter((one) => one.outcome === 200).map((one) => one.part));
    const begun = tries.filter((one) => one.part >= from);
    return stored.size === from - 1 && begun.length > 0 && begun.every((one) => one.received > bytes);
  });
}

async function run(row, browser, lane, file) {
  const profile = await browser.lasting();
  try {
    let tab = await profile.open(lane.page);
    await lane.proxy.rules([{ call: "part", parts: { from: row.from }, fault: { stall: row.bytes } }]);
    await faultProxy.start(tab, file);
    await standsStill(lane, row);
    await row.end(tab);
    await lane.proxy.rules([]);
    if (!row.stays) tab = await profile.open(lane.page);
    assert.equal(await tab.evaluate(() => globalThis.unfinished()), 1, "one unfinished upload is known");
    await faultProxy.start(tab, file);
    const end = await faultProxy.finished(tab, lane, PATIENCE);
    const { again } = await faultProxy.assertStored(lane, end, file, { left: true });
    assert.equal(await tab.evaluate(() => globalThis.unfinished()), 0, "nothing unfinished is left");
    return `${(again / 1e6).toFixed(1)} MB again`;
  } finally {
    await profile.close();
  }
}

suite("resume", ROWS, AT_ONCE, run);
