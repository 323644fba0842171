// `<greloupis-uploader>` in WebKitGTK: drop, paste, form, and accessibility of its states. Skipped where it isn't installed.

import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as elements from "./support/element.mjs";
import * as e2e from "./support/index.mjs";
import { isInstalled, WebKit } from "./support/webkit.mjs";

const skip = isInstalled() ? false : "webkit2gtk-driver and xvfb aren't installed";

/** @type {e2e.System} */
let system;
/** @type {WebKit} */
let webkit;

before(async () => {
  if (skip) return;
  const site = await elements.siteWithElement();
  await copyFile(await e2e.clip("short.mp4"), join(site, "short.mp4"));
  await copyFile(await e2e.clip("silent.mp4"), join(site, "silent.mp4"));
  system = await e2e.System.start({}, site);
  webkit = await WebKit.start();
});

after(async () => {
  await webkit?.close();
  await system?.stop();
});

test("dropped_and_pasted_files_are_uploaded in WebKitGTK", { skip }, async () => {
  await webkit.goto(`${system.url}/element.html`);
  const result = await webkit.evaluate(async () => {
    while (!("loaded" in document.documentElement.dataset)) await new Promise((wake) => setTimeout(wake, 50));
    const uploader = /** @type {any} */ (document.querySelector("#uploader"));
    const form = /** @type {HTMLFormElement} */ (document.querySelector("#form"));
    const wasValid = form.checkValidity();
    for (const [name, kind] of [
      ["short.mp4", "drop"],
      ["silent.mp4", "paste"],
    ]) {
      const bytes = await (await fetch(`/${name}`)).blob();
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name, { type: "video/mp4", lastModified: 1 }));
      const options = { bubbles: true, cancelable: true, composed: true };
      const event = kind === "drop" ? new DragEvent("drop", options) : new ClipboardEvent("paste", options);
      const property = kind === "drop" ? "dataTransfer" : "clipboardData";
      uploader.dispatchEvent(Object.defineProperty(event, property, { value: transfer }));
    }
    const isOver = (/** @type {any} */ item) => ["ready", "failed", "canceled"].includes(item.state);
    while (uploader.queue.items.length < 2 || !uploader.queue.items.every(isOver)) {
      await new Promise((wake) => uploader.addEventListener("queuechange", wake, { once: true }));
    }
    const states = uploader.queue.items.map((/** @type {any} */ { state, error }) => error?.code ?? state);
    return { wasValid, isValid: form.checkValidity(), states, values: new FormData(form).getAll("video").length };
  });
  assert.deepEqual(result, { wasValid: false, isValid: true, states: ["ready", "ready"], values: 2 });
});

test("states_have_no_accessibility_violation in WebKitGTK", { skip }, async () => {
  for (const variant of ["theme=light&lang=en", "theme=dark&lang=ar"]) {
    await webkit.goto(`${system.url}/gallery/?${variant}`);
    const violations = await webkit.evaluate(async () => {
      const rows = () =>
        [...document.querySelectorAll("greloupis-uploader")].flatMap((uploader) => [
          ...(uploader.shadowRoot?.querySelectorAll(".row") ?? []),
        ]);
      while (rows().length < 15) await new Promise((wake) => setTimeout(wake, 50));
      await new Promise((loaded) => {
        document.head.append(Object.assign(document.createElement("script"), { src: "/axe.min.js", onload: loaded }));
      });
      const { violations } = await Reflect.get(globalThis, "axe").run();
      return violations.map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes[0].html}`);
    });
    assert.deepEqual(violations, [], variant);
  }
});
