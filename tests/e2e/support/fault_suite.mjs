// Runs test cases in every browser, several at a time, each with one upload through the fault proxy.

import { rm } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { Chromium, Firefox } from "./browsers.mjs";
import * as faultProxy from "./fault_proxy.mjs";
import { Report } from "./report.mjs";

/**
 * Registers a test for each case and browser, `concurrency` of them at a time.
 *
 * `run(testCase, browser, proxied, file)` performs one and returns a few words about its cost. `name` is the report's
 * name. A case with `only` runs in the browser of that name.
 *
 * @template {{ name: string, only?: string }} Case
 * @param {string} name
 * @param {Case[]} cases
 * @param {number} concurrency
 * @param {(testCase: Case, browser: Chromium | Firefox, proxied: faultProxy.ProxiedSystem, file: faultProxy.TestFile) => Promise<string>} run
 */
export function faultSuite(name, cases, concurrency, run) {
  const report = new Report(name);
  /** @type {string} */
  let site;
  /** @type {faultProxy.SystemPool} */
  let pool;
  /** @type {faultProxy.TestFile} */
  let file;

  before(async () => {
    file = await faultProxy.randomFile();
    site = await faultProxy.siteWithUploader();
    pool = await faultProxy.SystemPool.start(concurrency, site);
  });

  after(async () => {
    await pool?.stop();
    await rm(site, { recursive: true, force: true });
    await report.write();
  });

  for (const Browser of [Chromium, Firefox]) {
    describe(Browser.name, { concurrency }, () => {
      /** @type {Chromium | Firefox} */
      let browser;
      before(async () => {
        browser = await Browser.start();
      });
      after(() => browser?.close());

      for (const testCase of cases) {
        if (testCase.only && testCase.only !== Browser.name) continue;
        test(testCase.name, () =>
          pool.use((proxied) =>
            report.measure(testCase.name, Browser.name, () => run(testCase, browser, proxied, file)),
          ),
        );
      }
    });
  }
}
