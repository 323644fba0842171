// The states of `<greloupis-uploader>` in Chromium and Firefox: accessibility by axe, sizes of targets,
// and the layout of rows.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chromium, Firefox } from "./support/browsers.mjs";
import * as elements from "./support/element.mjs";
import * as e2e from "./support/index.mjs";

const VARIANTS = ["theme=light&lang=en", "theme=dark&lang=de", "theme=light&lang=ar", "theme=dark&lang=hi"];
const STATES = 10;
/** In CSS pixels, see WCAG 2.2, 2.5.8. */
const MIN_TARGET_SIZE = 24;

/** @type {e2e.System} */
let system;

before(async () => {
  system = await e2e.System.start({}, await elements.siteWithElement());
});

after(() => system?.stop());

for (const Browser of [Chromium, Firefox]) {
  test(`states_have_no_accessibility_violation in ${Browser.name}`, async () => {
    const browser = await Browser.start();
    try {
      for (const variant of VARIANTS) {
        const profile = await browser.profile();
        const tab = await profile.open(`${system.url}/gallery/?${variant}`);
        await e2e.waitUntil(() => tab.evaluate(hasAllRows, STATES));
        const { violations, small } = await tab.evaluate(examine, MIN_TARGET_SIZE);
        assert.deepEqual(violations, [], variant);
        assert.deepEqual(small, [], `targets in ${variant}`);
        await profile.close();
      }
    } finally {
      await browser.close();
    }
  });
}

test("rows_have_title_above_status_and_no_overflow_at_any_width", async () => {
  const browser = await e2e.startBrowser();
  try {
    for (const width of [320, 360, 768, 1440]) {
      for (const lang of ["en", "ar"]) {
        const options = { viewport: { width, height: 900 } };
        const page = await e2e.openPage(browser, `${system.url}/gallery/?lang=${lang}`, { options });
        await page.waitForFunction(hasAllRows, STATES);
        assert.deepEqual(await page.evaluate(misplacedRows), [], `${width} px, ${lang}`);
        await page.context().close();
      }
    }
  } finally {
    await browser.close();
  }
});

/** Rows whose title isn't above their status, or whose content is wider than they are. */
function misplacedRows() {
  const uploaders = [...document.querySelectorAll("greloupis-uploader")];
  return uploaders.flatMap((uploader) => {
    const rows = [...(uploader.shadowRoot?.querySelectorAll(".row") ?? [])];
    const isMisplaced = (/** @type {Element} */ row) => {
      const bottomOf = (/** @type {string} */ selector) =>
        row.querySelector(selector)?.getBoundingClientRect().bottom ?? 0;
      return bottomOf(".title-line") >= bottomOf(".row-body") || row.scrollWidth > row.clientWidth;
    };
    // Rows out of sight have no layout: their content is skipped.
    for (const row of rows) Object.assign(/** @type {HTMLElement} */ (row).style, { contentVisibility: "visible" });
    return rows.filter(isMisplaced).map((row) => `${uploader.id}: ${row.querySelector(".row-title")?.textContent}`);
  });
}

/** @param {number} states */
function hasAllRows(states) {
  const uploaders = [...document.querySelectorAll("greloupis-uploader")];
  const rows = uploaders.flatMap((uploader) => [...(uploader.shadowRoot?.querySelectorAll(".row") ?? [])]);
  return uploaders.length === states && rows.length === 15;
}

/** @param {number} minSize */
async function examine(minSize) {
  await new Promise((loaded) => {
    const script = Object.assign(document.createElement("script"), { src: "/axe.min.js", onload: loaded });
    document.head.append(script);
  });
  const { violations } = await Reflect.get(globalThis, "axe").run({
    runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"],
  });
  const small = [...document.querySelectorAll("greloupis-uploader")]
    .flatMap((uploader) => [...(uploader.shadowRoot?.querySelectorAll("button") ?? [])])
    .map((button) => ({ part: button.part.value, box: button.getBoundingClientRect() }))
    .filter(({ box }) => box.width > 0 && Math.min(box.width, box.height) < minSize)
    .map(({ part }) => part);
  return {
    violations: violations.map(
      (/** @type {any} */ { id, nodes }) =>
        `${id}: ${nodes.map((/** @type {any} */ node) => `${node.target} ${node.html.slice(0, 120)}`)}`,
    ),
    small,
  };
}
