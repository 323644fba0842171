// Uploads of equal and of similar files: one never takes another's bytes, and never ends another.

import assert from "node:assert/strict";
import { faultSuite } from "./support/fault_suite.mjs";
import { waitUntil } from "./support/index.mjs";
import * as made from "./support/made_uploads.mjs";

/**
 * @import { Chromium, Firefox, Profile } from "./support/browsers.mjs"
 * @import { ProxiedSystem, Tab } from "./support/fault_proxy.mjs"
 * @typedef {{ profile: Profile, proxied: ProxiedSystem, open: (search?: string) => Promise<Tab> }} Context
 * @typedef {{ name: string, only?: string, run: (context: Context) => Promise<unknown> }} Case
 */

const { begin, command, endOf, hasSent, reportOf, MADE_FILE, SMALL_PARTS } = made;

const CONCURRENCY = 3;
/** In bytes per second: slow enough to act in the middle of an upload. */
const SLOW_BANDWIDTH = 6_000_000;

/** After so many answers that are not the edge's in a row, an upload ends. */
const BLOCKED_ATTEMPTS = 3;

/** Files that differ in one byte, which no sample of the fingerprint has. */
const TWO_MIB = { size: 2 * 2 ** 20 };
const ONE_BYTE_CHANGED = { ...TWO_MIB, changed: 100_000 };

/** Longer than an upload in another tab waits for a sign of life of the sender. */
const FREEZE_MS = 30_000;

/** @type {Case[]} */
const CASES = [
  {
    name: "sender_frozen_in_another_tab_gives_one_object",
    run: (context) => uploadBesideFrozenTab(context, { inTransaction: false }),
  },
  {
    name: "sender_frozen_in_a_transaction_gives_one_object",
    run: (context) => uploadBesideFrozenTab(context, { inTransaction: true }),
  },
  {
    name: "canceled_upload_started_again_at_once_is_stored",
    run: (context) => cancelAndStartAgain(context, []),
  },
  {
    name: "canceled_upload_started_again_with_a_late_abort_is_stored",
    run: (context) => cancelAndStartAgain(context, [{ call: "abort", fault: { delay: 3 } }]),
  },
  {
    name: "canceled_upload_started_again_before_it_is_open_is_stored",
    run: (context) => cancelAndStartAgain(context, [{ call: "open", fault: { delay: 1 }, maxTotal: 1 }], "open"),
  },
  {
    name: "canceled_upload_that_is_never_aborted_does_not_delay_the_next",
    async run({ proxied, open }) {
      const tab = await open();
      await proxied.proxy.setRules([{ call: "abort", fault: "no-response" }]);
      await proxied.proxy.setLink({ bandwidth: SLOW_BANDWIDTH });
      await begin(tab, "a");
      await hasSent(tab, "a");
      await command(tab, "a", "cancel");
      await begin(tab, "b");
      await proxied.proxy.setLink({});
      await made.assertStored(tab, "b", proxied);
    },
  },
  {
    name: "canceled_upload_is_aborted_by_the_next_page_load",
    async run({ proxied, open }) {
      const tab = await open();
      await proxied.proxy.setRules([{ call: "abort", fault: "no-response" }]);
      await proxied.proxy.setLink({ bandwidth: SLOW_BANDWIDTH });
      await begin(tab, "a");
      await hasSent(tab, "a");
      await command(tab, "a", "cancel");
      await waitUntil(async () => (await proxied.proxy.log()).calls.abort > 0);
      await tab.reload();
      await proxied.proxy.setRules([]);
      await proxied.proxy.setLink({});
      await begin(tab, "b");
      await made.assertStored(tab, "b", proxied);
      await made.assertObjects(proxied, 1);
    },
  },
  {
    name: "second_upload_of_the_same_bytes_canceled_leaves_the_first",
    async run({ proxied, open }) {
      const tab = await open();
      await proxied.proxy.setLink({ bandwidth: SLOW_BANDWIDTH });
      await begin(tab, "a");
      await begin(tab, "b");
      await hasSent(tab, "b");
      await command(tab, "b", "cancel");
      assert.match((await endOf(tab, "b")).error ?? "", /^canceled:/);
      await proxied.proxy.setLink({});
      await made.assertStored(tab, "a", proxied);
      await made.assertObjects(proxied, 1);
    },
  },
  {
    name: "first_upload_of_the_same_bytes_canceled_leaves_the_second",
    async run({ proxied, open }) {
      const tab = await open();
      await proxied.proxy.setLink({ bandwidth: SLOW_BANDWIDTH });
      await begin(tab, "a");
      await hasSent(tab, "a");
      await begin(tab, "b");
      await hasSent(tab, "b");
      await command(tab, "a", "cancel");
      await proxied.proxy.setLink({});
      assert.match((await endOf(tab, "a")).error ?? "", /^canceled:/);
      await made.assertStored(tab, "b", proxied);
      await made.assertObjects(proxied, 1);
    },
  },
  {
    name: "upload_in_another_tab_canceled_leaves_the_first",
    async run({ proxied, open }) {
      const [first, second] = [await open(), await open()];
      await proxied.proxy.setLink({ bandwidth: SLOW_BANDWIDTH });
      await begin(first, "a");
      await hasSent(first, "a");
      await begin(second, "b");
      await hasSent(second, "b");
      await command(second, "b", "cancel");
      assert.match((await endOf(second, "b")).error ?? "", /^canceled:/);
      await proxied.proxy.setLink({});
      await made.assertStored(first, "a", proxied);
      await made.assertObjects(proxied, 1);
    },
  },
  {
    name: "first_upload_of_the_same_bytes_failed_leaves_the_second",
    async run({ proxied, open }) {
      const tab = await open();
      await proxied.proxy.setLink({ bandwidth: SLOW_BANDWIDTH });
      await proxied.proxy.setRules([{ call: "complete", fault: { html: 403 }, maxTotal: BLOCKED_ATTEMPTS }]);
      await begin(tab, "a");
      await hasSent(tab, "a");
      await begin(tab, "b");
      await hasSent(tab, "b");
      await proxied.proxy.setLink({});
      assert.match((await endOf(tab, "a")).error ?? "", /^blocked: .*403/);
      await made.assertStored(tab, "b", proxied);
      await made.assertObjects(proxied, 1);
      assert.deepEqual(await made.partsStoredTwice(proxied), []);
    },
  },
  {
    name: "pause_of_one_upload_of_the_same_bytes_leaves_the_other",
    async run({ proxied, open }) {
      const tab = await open();
      await proxied.proxy.setLink({ bandwidth: SLOW_BANDWIDTH });
      await begin(tab, "a");
      await hasSent(tab, "a");
      await begin(tab, "b");
      await hasSent(tab, "b");
      await command(tab, "b", "pause");
      await waitUntil(async () => (await reportOf(tab, "b")).state === "paused");
      await proxied.proxy.setLink({});
      const videoId = await made.assertStored(tab, "a", proxied);
      await command(tab, "b", "resume");
      assert.equal(await made.assertStored(tab, "b", proxied), videoId);
      await made.assertObjects(proxied, 1);
    },
  },
  {
    name: "two_uploads_of_the_same_bytes_give_one_video",
    async run({ proxied, open }) {
      const tab = await open();
      await begin(tab, "a");
      await begin(tab, "b");
      assert.equal(await made.assertStored(tab, "a", proxied), await made.assertStored(tab, "b", proxied));
      await made.assertObjects(proxied, 1);
      assert.deepEqual(await made.partsStoredTwice(proxied), []);
    },
  },
  {
    name: "files_that_differ_in_one_byte_uploaded_together_are_two_videos",
    async run({ proxied, open }) {
      const tab = await open();
      await begin(tab, "a", TWO_MIB);
      await begin(tab, "b", ONE_BYTE_CHANGED);
      await assertTwoVideos(tab, proxied);
    },
  },
  {
    name: "files_that_differ_in_one_byte_uploaded_one_after_the_other_are_two_videos",
    async run({ proxied, open }) {
      const tab = await open();
      await begin(tab, "a", TWO_MIB);
      await endOf(tab, "a");
      await begin(tab, "b", ONE_BYTE_CHANGED);
      await assertTwoVideos(tab, proxied);
    },
  },
  {
    name: "file_that_differs_in_one_byte_does_not_resume_another",
    async run({ proxied, open }) {
      const tab = await open();
      // In a stored part, and in no sample.
      const other = { ...MADE_FILE, changed: 100_000 };
      await made.stallFrom(proxied, 4, () => begin(tab, "a"));
      await tab.reload();
      await proxied.proxy.setRules([]);
      await begin(tab, "b", other);
      await made.assertStored(tab, "b", proxied, other);
      assert.equal(await resumableCount(tab), 1, "the first is left to resume");
      await begin(tab, "a");
      await made.assertStored(tab, "a", proxied);
      await made.assertObjects(proxied, 2);
    },
  },
  {
    name: "file_copied_anew_resumes_after_a_reload",
    async run({ proxied, open }) {
      const tab = await open();
      await made.stallFrom(proxied, 4, () => begin(tab, "a", { ...MADE_FILE, lastModified: 1e12 }));
      await tab.reload();
      await proxied.proxy.setRules([]);
      assert.equal(await resumableCount(tab), 1);
      await begin(tab, "a", { ...MADE_FILE, lastModified: 1e12 + 1 });
      await made.assertStored(tab, "a", proxied);
      assert.deepEqual(await made.partsStoredTwice(proxied), [], "only what is missing is sent");
      await made.assertObjects(proxied, 1);
    },
  },
  {
    name: "completed_upload_whose_record_has_expired_is_found",
    async run({ proxied, open }) {
      const tab = await open();
      await proxied.proxy.setRules([{ call: "complete", fault: "lost-response" }]);
      await begin(tab, "a");
      await waitUntil(async () => (await proxied.system.keys("uploads", "inputs/")).length === 1);
      await tab.reload();
      await proxied.proxy.setRules([]);
      await tab.evaluate(expireRecords);
      assert.equal(await resumableCount(tab), 0, "an expired one isn't listed");
      await begin(tab, "a");
      await made.assertStored(tab, "a", proxied);
      await made.assertObjects(proxied, 1);
      assert.deepEqual(await made.partsStoredTwice(proxied), []);
    },
  },
];

/** @param {Tab} tab */
const resumableCount = (tab) => tab.evaluate(() => /** @type {any} */ (globalThis).resumableCount());

/**
 * Uploads a file in one tab while another tab that has sent a part of it is frozen, and goes on later.
 *
 * @param {Context} context
 * @param {{ inTransaction: boolean }} options
 */
async function uploadBesideFrozenTab({ proxied, open }, { inTransaction }) {
  const frozen = await open("?broken=freezable");
  await made.stallFrom(proxied, 4, () => begin(frozen, "a"));
  await frozen.evaluate((message) => new BroadcastChannel("freeze").postMessage(message), {
    ms: FREEZE_MS,
    inTransaction,
  });
  await proxied.proxy.setRules([]);
  const tab = await open();
  await begin(tab, "b");
  const videoId = await made.assertStored(tab, "b", proxied);
  assert.equal((await endOf(frozen, "a")).stored?.videoId, videoId);
  await made.assertObjects(proxied, 1);
}

/**
 * Cancels an upload at its first progress, or while it is being opened, and starts another of the same file at once.
 *
 * @param {Context} context
 * @param {object[]} rules
 * @param {"progress" | "open"} [until]
 */
async function cancelAndStartAgain({ proxied, open }, rules, until = "progress") {
  const tab = await open();
  await proxied.proxy.setRules(rules);
  await proxied.proxy.setLink({ bandwidth: SLOW_BANDWIDTH });
  await begin(tab, "a");
  if (until === "progress") await hasSent(tab, "a");
  else await waitUntil(async () => (await proxied.proxy.log()).calls.open > 0);
  await tab.evaluate(
    ({ file, options }) => {
      const { begin, makeFile, uploads } = /** @type {any} */ (globalThis);
      const again = makeFile(file);
      uploads.a.run.cancel();
      begin("b", again, options);
    },
    { file: MADE_FILE, options: SMALL_PARTS },
  );
  await proxied.proxy.setLink({});
  assert.match((await endOf(tab, "a")).error ?? "", /^canceled:/);
  await made.assertStored(tab, "b", proxied);
  await made.assertObjects(proxied, 1);
}

/**
 * @param {Tab} tab
 * @param {ProxiedSystem} proxied
 */
async function assertTwoVideos(tab, proxied) {
  const first = await made.assertStored(tab, "a", proxied, TWO_MIB);
  const second = await made.assertStored(tab, "b", proxied, ONE_BYTE_CHANGED);
  assert.notEqual(first, second);
  await made.assertObjects(proxied, 2);
}

/** Runs in the page: lets all records expire. */
async function expireRecords() {
  /** @type {(request: IDBRequest) => Promise<any>} */
  const result = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const database = await result(indexedDB.open("greloupis-uploader"));
  const uploads = database.transaction("uploads", "readwrite").objectStore("uploads");
  for (const record of await result(uploads.getAll())) await result(uploads.put({ ...record, expiresAt: 1 }));
  database.close();
}

/**
 * @param {Case} testCase
 * @param {Chromium | Firefox} browser
 * @param {ProxiedSystem} proxied
 */
async function run(testCase, browser, proxied) {
  const profile = await browser.profile();
  try {
    await testCase.run({ profile, proxied, open: (search = "") => profile.open(proxied.uploaderUrl + search) });
    return "as it must";
  } finally {
    await profile.close();
  }
}

faultSuite("identity", CASES, CONCURRENCY, run);
