// The states of `<greloupis-uploader>` in Chromium and Firefox: accessibility by axe, and sizes of targets.

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
