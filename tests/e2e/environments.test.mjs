// Browsers that lack features or forbid them, and what stands between a browser and its servers.

import assert from "node:assert/strict";
import { faultSuite } from "./support/fault_suite.mjs";
import { waitUntil } from "./support/index.mjs";
import * as made from "./support/made_uploads.mjs";

/**
 * @import { Chromium, Firefox } from "./support/browsers.mjs"
 * @import { ProxiedSystem, Tab } from "./support/fault_proxy.mjs"
 * @typedef {{ proxied: ProxiedSystem, open: (search?: string, page?: string) => Promise<Tab> }} Context
 * @typedef {{ name: string, only?: string, run: (context: Context) => Promise<unknown> }} Case
 */

const { begin, endOf, MADE_FILE, SMALL_PARTS } = made;

const CONCURRENCY = 4;
/** In bytes per second: 4 Mbit/s. */
const SLOW_LINE = 500_000;
const SLOW_LINE_TIMEOUT_MS = 280_000;

/** Features without which a file is stored all the same, see support/broken_browser.js. */
const NEEDLESS_FEATURES = [
  "stream-never",
  "locks-absent",
  "locks-refused",
  "locks-throw",
  "locks-never",
  "locks-query-refused",
  "channel-absent",
  "channel-throws",
  "channel-post-throws",
  "indexeddb-absent",
  "indexeddb-throws",
  "indexeddb-never",
  "locks-refused,channel-throws,indexeddb-throws",
  "locks-absent,channel-absent",
  "stream-errors",
  "progress-absent",
];

/**
 * Long cases come first.
 *
 * @type {Case[]}
 */
const CASES = [
  {
    name: "slow_line_without_progress_events_aborts_each_part_at_most_once",
    async run({ proxied, open }) {
      const tab = await open("?broken=progress-absent");
      const file = { size: 50_000_000 };
      await proxied.proxy.setLink({ bandwidth: SLOW_LINE });
      await begin(tab, "a", file, { partSize: 8 * 2 ** 20, concurrency: 6 });
      await endOf(tab, "a", SLOW_LINE_TIMEOUT_MS);
      await proxied.proxy.setLink({});
      await made.assertStored(tab, "a", proxied, file);
      const { attempts } = await proxied.proxy.log();
      const aborted = attempts.filter(({ outcome }) => outcome !== 200).map(({ part }) => part);
      assert.equal(new Set(aborted).size, aborted.length, `aborted parts: ${aborted}`);
    },
  },
  {
    name: "file_whose_reads_never_return_is_unreadable",
    async run({ open }) {
      const tab = await open("?broken=stream-never,slices-never");
      await begin(tab, "a");
      assert.match((await endOf(tab, "a")).error ?? "", /^file_unreadable:/);
    },
  },
  ...NEEDLESS_FEATURES.map((feature) => ({
    name: `browser_with_${feature.replaceAll(/[-,]/g, "_")}_stores_the_file`,
    /** @param {Context} context */
    async run({ proxied, open }) {
      const tab = await open(`?broken=${feature}`);
      await begin(tab, "a");
      await made.assertStored(tab, "a", proxied);
      await made.assertObjects(proxied, 1);
    },
  })),
  {
    name: "browser_without_worker_and_locks_stores_the_file",
    async run({ proxied, open }) {
      const tab = await open("?broken=locks-refused,channel-throws");
      await tab.evaluate(() => /** @type {any} */ (globalThis).uploader.init({ worker: false }));
      await begin(tab, "a");
      await made.assertStored(tab, "a", proxied);
    },
  },
  {
    name: "canceled_upload_without_locks_leaves_another_of_the_same_bytes",
    async run({ proxied, open }) {
      const tab = await open("?broken=locks-absent");
      await proxied.proxy.setLink({ bandwidth: 6_000_000 });
      await begin(tab, "a");
      await made.hasSent(tab, "a");
      await begin(tab, "b");
      await made.hasSent(tab, "b");
      await made.command(tab, "b", "cancel");
      await proxied.proxy.setLink({});
      assert.match((await endOf(tab, "b")).error ?? "", /^canceled:/);
      await made.assertStored(tab, "a", proxied);
      await made.assertObjects(proxied, 1);
    },
  },
  {
    name: "refused_query_of_locks_lists_what_is_known",
    async run({ proxied, open }) {
      const tab = await open("?broken=locks-query-refused");
      await made.stallFrom(proxied, 4, () => begin(tab, "a"));
      await tab.reload();
      assert.equal(await resumableCount(tab), 1);
    },
  },
  {
    name: "upload_is_listed_at_once_after_a_reload_and_not_while_it_runs",
    async run({ proxied, open }) {
      const tab = await open();
      const other = await open();
      await made.stallFrom(proxied, 4, () => begin(tab, "a"));
      assert.equal(await resumableCount(other), 0);
      await tab.reload();
      assert.equal(await resumableCount(tab), 1);
    },
  },
  {
    name: "file_that_cannot_be_read_at_all_is_unreadable",
    async run({ proxied, open }) {
      const tab = await open("?broken=stream-errors,slices-error");
      await begin(tab, "a");
      assert.match((await endOf(tab, "a")).error ?? "", /^file_unreadable:/);
      await made.assertObjects(proxied, 0);
    },
  },
  ...[403, 413].flatMap((status) => [
    {
      name: `html_${status}_to_the_completion_is_blocked_and_resumes`,
      run: (/** @type {Context} */ context) => blocked(context, "complete", status),
    },
    {
      name: `html_${status}_to_signing_is_blocked_and_resumes`,
      run: (/** @type {Context} */ context) => blocked(context, "sign", status),
    },
    {
      name: `html_${status}_to_a_part_is_blocked_and_resumes`,
      run: (/** @type {Context} */ context) => blocked(context, "part", status),
    },
    {
      name: `html_${status}_to_opening_is_blocked`,
      async run(/** @type {Context} */ { proxied, open }) {
        const tab = await open();
        await proxied.proxy.setRules([{ call: "open", fault: { html: status } }]);
        await begin(tab, "a");
        assert.match((await endOf(tab, "a")).error ?? "", new RegExp(`^blocked: .*${status}`));
        await proxied.proxy.setRules([]);
        await begin(tab, "a");
        await made.assertStored(tab, "a", proxied);
      },
    },
  ]),
  {
    name: "retry_after_as_a_date_is_waited_for",
    async run(context) {
      // The date is rounded down to a second.
      assert.ok((await retryDelay(context, { "retry-after-date": 6 })) >= 4500);
    },
  },
  {
    name: "retry_after_as_a_past_date_is_ignored",
    run: async (context) => assert.ok((await retryDelay(context, { "retry-after-date": -60 })) < 4500),
  },
  {
    name: "retry_after_that_is_nonsense_is_ignored",
    run: async (context) => assert.ok((await retryDelay(context, { "retry-after": "tomorrow" })) < 4500),
  },
  {
    name: "file_and_signal_of_an_iframe_are_taken",
    async run({ proxied, open }) {
      const tab = await open();
      await tab.evaluate(
        ({ file, options }) => {
          const { begin, makeFile } = /** @type {any} */ (globalThis);
          const frame = document.body.appendChild(document.createElement("iframe"));
          const inner = /** @type {any} */ (frame.contentWindow);
          const foreign = new inner.AbortController();
          Object.assign(globalThis, { foreign });
          begin("a", makeFile(file, inner.File), options);
          begin("b", makeFile({ ...file, seed: 2 }, inner.File), { ...options, signal: foreign.signal });
        },
        { file: MADE_FILE, options: SMALL_PARTS },
      );
      await made.assertStored(tab, "a", proxied);
      await tab.evaluate(() => /** @type {any} */ (globalThis).foreign.abort());
      await tab.evaluate(() => /** @type {any} */ (globalThis).uploads.b.run.ready.catch(() => {}));
    },
  },
  {
    name: "signal_of_an_iframe_cancels_the_upload",
    async run({ proxied, open }) {
      const tab = await open();
      await proxied.proxy.setLink({ bandwidth: 1_000_000 });
      await tab.evaluate((file) => {
        const { begin, makeFile } = /** @type {any} */ (globalThis);
        const frame = document.body.appendChild(document.createElement("iframe"));
        const controller = new /** @type {any} */ (frame.contentWindow).AbortController();
        begin("a", makeFile(file), { signal: controller.signal });
        controller.abort();
      }, MADE_FILE);
      assert.match((await endOf(tab, "a")).error ?? "", /^canceled:/);
    },
  },
  {
    name: "trusted_script_url_starts_the_worker",
    async run({ proxied, open }) {
      const tab = await open("", "trusted_types.html");
      await tab.evaluate(() => {
        const { trustedTypes, uploader } = /** @type {any} */ (globalThis);
        const policy = trustedTypes.createPolicy("uploader", { createScriptURL: (/** @type {string} */ url) => url });
        /** @type {string[]} */
        const workers = [];
        class RecordingWorker extends Worker {
          constructor(/** @type {any} */ url, /** @type {WorkerOptions} */ options) {
            super(url, options);
            workers.push(url.constructor.name);
          }
        }
        Object.assign(globalThis, { workers, Worker: RecordingWorker });
        uploader.init({ worker: policy.createScriptURL("/vendor/uploader/worker.js") });
      });
      await begin(tab, "a");
      await made.assertStored(tab, "a", proxied);
      assert.deepEqual(await tab.evaluate(() => /** @type {any} */ (globalThis).workers), ["TrustedScriptURL"]);
    },
  },
  {
    name: "service_worker_that_forwards_requests_stores_the_file",
    async run({ proxied, open }) {
      const tab = await open();
      await tab.evaluate(async () => {
        await navigator.serviceWorker.register("/forwarding_service_worker.js");
        await navigator.serviceWorker.ready;
      });
      await tab.reload();
      await waitUntil(() => tab.evaluate(() => navigator.serviceWorker.controller !== null));
      await begin(tab, "a");
      await made.assertStored(tab, "a", proxied);
    },
  },
  {
    name: "records_of_an_older_version_are_forgotten",
    async run({ proxied, open }) {
      const tab = await open();
      await tab.evaluate(createOldDatabase, { close: true });
      assert.equal(await resumableCount(tab), 0);
      await made.stallFrom(proxied, 4, () => begin(tab, "a"));
      await tab.reload();
      await proxied.proxy.setRules([]);
      assert.equal(await resumableCount(tab), 1);
      await begin(tab, "a");
      await made.assertStored(tab, "a", proxied);
      assert.deepEqual(await made.partsStoredTwice(proxied), []);
    },
  },
  {
    name: "older_version_open_in_another_tab_does_not_stop_the_upload",
    async run({ proxied, open }) {
      // A document without the uploader, which would open the newer version.
      const old = await open("", "style.css");
      await old.evaluate(createOldDatabase, { close: false });
      const tab = await open();
      await begin(tab, "a");
      await made.assertStored(tab, "a", proxied);
    },
  },
  {
    name: "newer_version_of_the_records_does_not_stop_the_upload",
    async run({ proxied, open }) {
      const tab = await open();
      await tab.evaluate(
        () =>
          new Promise((resolve) => {
            const request = indexedDB.open("greloupis-uploader", 99);
            request.onsuccess = () => resolve(request.result.close());
          }),
      );
      await begin(tab, "a");
      await made.assertStored(tab, "a", proxied);
    },
  },
  {
    name: "newer_version_is_not_held_up_by_this_page",
    async run({ proxied, open }) {
      const tab = await open();
      await begin(tab, "a");
      await made.assertStored(tab, "a", proxied);
      await tab.evaluate(
        () =>
          new Promise((resolve, reject) => {
            const request = indexedDB.open("greloupis-uploader", 99);
            request.onsuccess = resolve;
            request.onblocked = () => reject(new Error("blocked"));
          }),
      );
    },
  },
];

/** @param {Tab} tab */
const resumableCount = (tab) => tab.evaluate(() => /** @type {any} */ (globalThis).resumableCount());

/**
 * A firewall answers a call: the upload ends, its parts stay, and the next try sends only the rest.
 *
 * @param {Context} context
 * @param {"complete" | "sign" | "part"} call
 * @param {number} status
 */
async function blocked({ proxied, open }, call, status) {
  const tab = await open();
  await proxied.proxy.setRules([{ call, parts: call === "part" ? { from: 4 } : "all", fault: { html: status } }]);
  // More parts than are signed with the opening.
  const file = { size: 64 * 2 ** 20 };
  await begin(tab, "a", file);
  assert.match((await endOf(tab, "a")).error ?? "", new RegExp(`^blocked: .*${status}`));
  assert.equal((await proxied.system.openUploads()).length, 1, "the parts stay");
  assert.equal(await resumableCount(tab), 1);
  await proxied.proxy.setRules([]);
  await begin(tab, "a", file);
  await made.assertStored(tab, "a", proxied, file);
  assert.deepEqual(await made.partsStoredTwice(proxied), []);
  await made.assertObjects(proxied, 1);
}

/**
 * The announced delay, in ms, after one part was answered with a fault.
 *
 * @param {Context} context
 * @param {object} fault
 */
async function retryDelay({ proxied, open }, fault) {
  const tab = await open();
  await proxied.proxy.setRules([{ call: "part", parts: { only: 2 }, fault, maxTotal: 1 }]);
  await begin(tab, "a");
  await made.assertStored(tab, "a", proxied);
  const { retries } = await made.reportOf(tab, "a");
  assert.deepEqual(
    retries.map(({ partNumber, reason }) => [partNumber, reason]),
    [[2, "throttled"]],
  );
  return retries[0].inMs;
}

/**
 * Runs in the page: makes the database as version 1 of the records had it.
 *
 * @param {{ close: boolean }} options
 */
function createOldDatabase({ close }) {
  return new Promise((resolve) => {
    const request = indexedDB.open("greloupis-uploader", 1);
    request.onupgradeneeded = () => {
      const uploads = request.result.createObjectStore("uploads", { keyPath: "id" });
      request.result.createObjectStore("parts", { keyPath: ["id", "part"] });
      uploads.put({ id: "old", endpoint: "/api", fileName: "old.mp4", size: 9, lastModified: 0, startedAt: 1 });
    };
    request.onsuccess = () => resolve(close && request.result.close());
  });
}

/**
 * @param {Case} testCase
 * @param {Chromium | Firefox} browser
 * @param {ProxiedSystem} proxied
 */
async function run(testCase, browser, proxied) {
  const profile = await browser.profile();
  const open = (search = "", page = "uploader.html") => profile.open(`${proxied.proxy.url}/${page}${search}`);
  try {
    await testCase.run({ proxied, open });
    return "as it must";
  } finally {
    await profile.close();
  }
}

faultSuite("environments", CASES, CONCURRENCY, run);
