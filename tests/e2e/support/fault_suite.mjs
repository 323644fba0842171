// A suite of rows: each an upload through the proxy, in every browser, several at a time; its results in a table.

import { after, before, describe, test } from "node:test";
import { Chromium, Firefox } from "./browsers.mjs";
import * as faultProxy from "./fault_proxy.mjs";
import { Table } from "./report.mjs";

/**
 * Registers a test for each row and browser, `atOnce` of them at a time. `run(row, browser, lane, file)` does one and
 * says in a few words what it cost; the table is called `name`. A row with `only` is for the browser of that name.
 */
export function suite(name, rows, atOnce, run) {
  const table = new Table(name);
  let pages;
  let lanes;
  let file;

  before(async () => {
    file = await faultProxy.file();
    pages = await faultProxy.uploaderPages();
    lanes = await faultProxy.Lanes.start(atOnce, pages);
  });

  after(async () => {
    await lanes?.stop();
    await faultProxy.removePages(pages);
    await table.publish();
  });

  for (const Browser of [Chromium, Firefox]) {
    describe(Browser.name, { concurrency: atOnce }, () => {
      let browser;
      before(async () => (browser = await Browser.start()));
      after(() => browser?.close());

      for (const row of rows) {
        if (row.only && row.only !== Browser.name) continue;
        const work = (lane) => table.row(row.name, Browser.name, () => run(row, browser, lane, file));
        test(row.name, () => lanes.with(work));
      }
    });
  }
}
