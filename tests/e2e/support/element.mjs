// The element on pages of its own: in a form, and the gallery of its states.

import { copyFile, cp, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import * as e2e from "./index.mjs";

/** @typedef {import("@greloupis/uploader/element").GreloupisUploaderElement} Uploader */

/** A copy of the site with `element.html`, `gallery/` and axe. */
export async function siteWithElement() {
  const site = await mkdtemp(join(await e2e.testFolder("sites"), "element-"));
  await cp(e2e.siteFolder(), site, { recursive: true });
  await copyFile(new URL("element.html", import.meta.url), join(site, "element.html"));
  await cp(join(e2e.ROOT, "web/gallery"), join(site, "gallery"), { recursive: true });
  await copyFile(join(e2e.ROOT, "node_modules/axe-core/axe.min.js"), join(site, "axe.min.js"));
  return site;
}

/**
 * The row of a file, by its title.
 *
 * @param {e2e.Page} page
 * @param {string} title
 */
export const rowOf = (page, title) =>
  page.locator("#uploader .row", { has: page.locator(`.row-title:text-is(${JSON.stringify(title)})`) });

/**
 * Waits until the row of a file has a state.
 *
 * @param {e2e.Page} page
 * @param {string} title
 * @param {string} state
 */
export const rowReaches = (page, title, state) =>
  page.locator(`#uploader .row[data-state="${state}"]`, { hasText: title }).waitFor();

/**
 * Drops or pastes files on the element.
 *
 * @param {e2e.Page} page
 * @param {string[]} paths
 * @param {"drop" | "paste"} kind
 */
export async function bring(page, paths, kind) {
  const holder = await page.evaluateHandle(() =>
    Object.assign(document.createElement("input"), { type: "file", multiple: true }),
  );
  await holder.setInputFiles(paths);
  await holder.evaluate((input, kind) => {
    const transfer = new DataTransfer();
    for (const file of input.files ?? []) transfer.items.add(file);
    const target = document.querySelector("#uploader");
    const options = { bubbles: true, cancelable: true, composed: true };
    if (kind === "paste") target?.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: transfer }));
    else {
      for (const type of ["dragenter", "dragover", "drop"]) {
        target?.dispatchEvent(new DragEvent(type, { ...options, dataTransfer: transfer }));
      }
    }
  }, kind);
}
