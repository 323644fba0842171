// The page: canceling, leaving, paging, links, keyboard, access tokens, and a message for every error code.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as e2e from "./support/index.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {e2e.System} */
let system;

before(async () => {
  system = await e2e.System.start();
  browser = await e2e.startBrowser();
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/**
 * The part of the uploader that has the focus.
 *
 * @param {e2e.Page} page
 */
const focusedPart = (page) =>
  page.evaluate(() => document.querySelector("#uploader")?.shadowRoot?.activeElement?.getAttribute("part"));

/** @param {number} size */
const openUpload = (size) =>
  system.api("/uploads", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ fileName: "a.mp4", size, contentType: "video/mp4" }),
  });

test("cancel removes all parts from the storage", async () => {
  const page = await e2e.openPage(browser, system.url);
  await e2e.throttle(page, 20_000_000);
  await e2e.drop(page, [{ path: await e2e.clip("big.mp4") }]);
  const card = e2e.cardOf(page, "big.mp4");
  const open = await e2e.waitForStoredParts(system, 1);

  let confirmed = false;
  page.once("dialog", (dialog) => {
    confirmed = dialog.type() === "beforeunload";
    return dialog.dismiss();
  });
  await page.close({ runBeforeUnload: true });
  await e2e.waitUntil(() => confirmed);

  const aborted = page.waitForResponse((response) => response.request().method() === "DELETE");
  await card.getByRole("button", { name: "Cancel: big" }).click();
  assert.equal((await aborted).status(), 204);
  await e2e.reachesState(card, "canceled");
  assert.deepEqual(await system.openUploads(), []);
  assert.deepEqual(await system.storedParts(open), []);
  assert.deepEqual(await system.keys("uploads", ""), []);
  assert.deepEqual((await system.api("/videos")).videos, []);

  await card.getByRole("button", { name: "Remove: big" }).click();
  assert.equal(await page.locator("#uploader .row").count(), 0);
  assert.equal(await focusedPart(page), "button choose", "the focus moves to the file dialog's button");
  page.assertNoErrors();
  await page.context().close();
});

test("video list loads page by page, and links open a video", async () => {
  const opened = [];
  for (let index = 0; index < 14; index += 1) opened.push(await openUpload(1000 + index));
  const page = await e2e.openPage(browser, system.url);
  await page.locator(".video").nth(11).waitFor();
  assert.equal(await page.locator(".video").count(), 12);
  await page.getByRole("button", { name: "Show older" }).click();
  await page.locator(".video").nth(13).waitFor();
  await page.getByRole("button", { name: "Show older" }).waitFor({ state: "hidden" });
  const links = await page.locator(".video > a").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  assert.deepEqual(links, opened.map(({ videoId }) => `watch.html?v=${videoId}`).reverse());

  await page.locator(".video > a").first().click();
  await page.locator("#note", { hasText: "Not all of it has been uploaded yet" }).waitFor();
  await page.goBack();
  await page.locator(".video").nth(11).waitFor();
  await page.goto(`${system.url}/watch.html?v=nothing-of-that-name`);
  await page.locator("#note", { hasText: "There is no such video." }).waitFor();
  for (const { upload } of opened) await fetch(`${system.endpoints.api}/uploads/${upload}`, { method: "DELETE" });
  page.assertNoErrors();
  await page.context().close();
});

test("page is usable by keyboard alone", async () => {
  // Forces the input's file chooser: the test can't answer the dialog of `showOpenFilePicker`.
  const prepare = (/** @type {e2e.Page} */ page) =>
    page.addInitScript(() => delete (/** @type {any} */ (window).showOpenFilePicker));
  const page = await e2e.openPage(browser, system.url, { prepare });
  const chooser = page.waitForEvent("filechooser");
  // The link home comes first.
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  assert.equal(await focusedPart(page), "button choose");
  await page.keyboard.press("Enter");
  await (await chooser).setFiles(await e2e.clip("short.mp4"));
  const card = e2e.cardOf(page, "short.mp4");
  await e2e.reachesState(card, "ready");
  await page.locator("#uploader a", { hasText: "Watch" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL("**/watch.html?v=*");
  // Hidden until it can play.
  await page.locator("media-play-button").waitFor();
  await page.locator("media-play-button").focus();
  await page.keyboard.press("Enter");
  await e2e.played(page, 0.5);
  await page.goBack();
  await page.locator(".video[data-state=ready] .name", { hasText: "short" }).waitFor();
  page.assertNoErrors();
  await page.context().close();
});

test("link at a time opens there, and search finds titles", async () => {
  const page = await e2e.openPage(browser, system.url);
  await e2e.drop(page, [
    { path: await e2e.clip("silent.mp4"), name: "Ferry to Paros.mp4" },
    { path: await e2e.clip("short.mp4"), name: "Train to Athens.mp4" },
  ]);
  const card = e2e.cardOf(page, "Ferry to Paros.mp4");
  await e2e.reachesState(card, "ready");
  await e2e.reachesState(e2e.cardOf(page, "Train to Athens.mp4"), "ready");
  const videoId = await e2e.videoIdOf(card);
  await page.goto(`${system.url}/watch.html?v=${videoId}&t=2`);
  await e2e.played(page, 1.9);
  assert.equal(await page.title(), "Ferry to Paros");
  await page.getByRole("button", { name: "Copy link at this time" }).click();
  await page.waitForURL(/[?&]t=2/);
  await page.goto(system.url);
  const videos = page.locator(".video:visible");
  await page.locator(".video", { hasText: "Ferry to Paros" }).waitFor();
  const all = await videos.count();
  assert.ok(all > 1, "the search leaves something out");
  await page.getByRole("searchbox").fill("paros ferry");
  await page.waitForFunction(() => document.querySelectorAll(".video:not([hidden])").length === 1);
  await page.getByRole("searchbox").fill("");
  assert.equal(await videos.count(), all);
  page.assertNoErrors();
  await page.context().close();
});

test("title is sent with the upload and changed afterwards", async () => {
  const page = await e2e.openPage(browser, system.url);
  await e2e.throttle(page, 100_000);
  await e2e.drop(page, [{ path: await e2e.clip("silent.mp4"), name: "dated.mp4" }]);
  const card = e2e.cardOf(page, "dated.mp4");
  const edit = async (/** @type {string} */ from, /** @type {string} */ to) => {
    await card.getByRole("button", { name: `Edit title: ${from}` }).click();
    // The row has no title while it is edited.
    await page.locator("#uploader").getByRole("textbox", { name: "Title" }).fill(to);
    await page.keyboard.press("Enter");
  };
  await card.and(page.locator("[data-state=uploading]")).waitFor();
  const changed = page.waitForResponse((response) => response.request().method() === "PATCH");
  await edit("dated", "Edited while sending");
  await e2e.throttle(page, 0);
  assert.equal((await changed).status(), 200);
  await e2e.reachesState(card, "ready");
  const path = `/videos/${await e2e.videoIdOf(card)}`;
  assert.equal((await system.api(path)).title, "Edited while sending");

  const refused = page.waitForResponse((response) => response.request().method() === "PATCH");
  await page.route("**/api/videos/*", (route) => route.fulfill({ status: 400 }));
  await edit("Edited while sending", "Refused");
  await refused;
  await card.getByText("Edited while sending").waitFor();
  await page.unroute("**/api/videos/*");

  await page.goto(system.url);
  const listed = page.locator(".video", { hasText: "Edited while sending" });
  await listed.getByRole("button", { name: "Change title" }).click();
  await page.getByRole("textbox", { name: "Title" }).fill("Changed in the library");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".video", { hasText: "Changed in the library" }).waitFor();
  assert.equal((await system.api(path)).title, "Changed in the library");
  await page.context().close();
});

test("video is deleted from the library after a confirmation", async () => {
  const page = await e2e.openPage(browser, system.url);
  await e2e.drop(page, [{ path: await e2e.clip("silent.mp4"), name: "obsolete.mp4" }]);
  const card = e2e.cardOf(page, "obsolete.mp4");
  await e2e.reachesState(card, "ready");
  const videoId = await e2e.videoIdOf(card);
  await page.goto(system.url);
  const listed = page.locator(".video", { hasText: "obsolete" });
  const confirm = page.locator("#delete-dialog");
  await listed.getByRole("button", { name: "Delete" }).click();
  await confirm.getByRole("button", { name: "Cancel" }).click();
  await confirm.waitFor({ state: "hidden" });
  assert.equal(await listed.count(), 1);
  await listed.getByRole("button", { name: "Delete" }).click();
  await confirm.getByRole("button", { name: "Delete" }).click();
  await listed.waitFor({ state: "detached" });
  assert.equal(
    (await system.api("/videos")).videos.filter((/** @type {any} */ video) => video.videoId === videoId).length,
    0,
  );
  const isLeft = async () =>
    [...(await system.keys("uploads", "inputs/")), ...(await system.keys("media", "assets/"))].some((key) =>
      key.includes(videoId),
    );
  await e2e.waitUntil(async () => !(await isLeft()));
  page.assertNoErrors();
  await page.context().close();
});

test("removed row's conversion continues in the list", async () => {
  const page = await e2e.openPage(browser, system.url);
  await e2e.drop(page, [{ path: await e2e.clip("upright.mp4"), name: "hidden.mp4" }]);
  const card = e2e.cardOf(page, "hidden.mp4");
  await card.and(page.locator("[data-state=converting], [data-state=uploaded], [data-state=ready]")).waitFor();
  await card.getByRole("button", { name: "Remove: hidden" }).click();
  assert.equal(await page.locator("#uploader .row").count(), 0);
  const listed = page.locator(".video").filter({ has: page.locator('.name[title="hidden"]') });
  await listed.and(page.locator("[data-state=ready]")).waitFor();
  await listed.locator(".preview.has-image").waitFor();
  page.assertNoErrors();
  await page.context().close();
});

/** @param {unknown} value */
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/**
 * @param {string} secret
 * @param {string} sub
 */
function token(secret, sub) {
  const signingInput = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ sub, exp: Math.floor(Date.now() / 1000) + 600 })}`;
  return `${signingInput}.${createHmac("sha256", secret).update(signingInput).digest("base64url")}`;
}

test("page asks for a token where one is required, and continues", async () => {
  const secret = "a secret that only this test knows, and the server";
  const authenticated = await e2e.System.start({ AUTH_MODE: "jwt", AUTH_JWT_SECRET: secret });
  try {
    const page = await e2e.openPage(browser, authenticated.url);
    const field = page.getByLabel("Access token", { exact: true });
    await field.fill(token("another secret, of the same length or so, wrong", "ada"));
    await field.press("Enter");
    // The wrong token is rejected: the dialog opens again with an empty field.
    await page.waitForFunction(() => {
      const field = /** @type {HTMLInputElement | null} */ (document.querySelector("dialog[open] #auth-token"));
      return field?.value === "" && sessionStorage.length > 0;
    });
    await field.fill(token(secret, "ada"));
    await field.press("Enter");
    await page.locator("#videos-note", { hasText: "Nothing here yet" }).waitFor();
    await e2e.drop(page, [{ path: await e2e.clip("short.mp4") }]);
    const card = e2e.cardOf(page, "short.mp4");
    await e2e.reachesState(card, "ready");
    const videoId = await e2e.videoIdOf(card);
    await page.context().close();

    const otherUser = await e2e.openPage(browser, `${authenticated.url}/watch.html?v=${videoId}`, {
      prepare: (page) =>
        page.addInitScript((token) => sessionStorage.setItem("greloupis.token", token), token(secret, "bob")),
    });
    await otherUser.locator("#note", { hasText: "There is no such video." }).waitFor();
    await otherUser.context().close();
  } finally {
    await authenticated.stop();
  }
});

test("every error code of edge and uploader has a text in the element", async () => {
  const read = (/** @type {string} */ path) => readFile(join(e2e.ROOT, path), "utf8");
  const edge = [...(await read("wire/src/problem.rs")).matchAll(/^ {4}\w+, "(\w+)", "/gm)].map(([, code]) => code);
  const uploader = [...(await read("web/core/src/error.rs")).matchAll(/pub const \w+: &str = "(\w+)";/g)].map(
    ([, code]) => code,
  );
  const names = (await readdir(join(e2e.ROOT, "web/js"))).filter((name) => name.endsWith(".js"));
  const scripts = (await Promise.all(names.map((name) => read(`web/js/${name}`)))).join("\n");
  const javaScript = [...scripts.matchAll(/(?:new UploadError\(|code: )"(\w+)"/g)].map(([, code]) => code);
  assert.ok(edge.length > 20 && uploader.length > 10 && javaScript.length > 3);
  // Loaded as data, as Node takes web/js for CommonJS.
  const source = await read("web/js/element/error_texts.js");
  const { isKnown } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
  // `canceled` isn't shown as an error.
  const codes = new Set([...edge, ...uploader, ...javaScript].filter((code) => code !== "canceled"));
  assert.deepEqual(
    [...codes].filter((code) => !isKnown(code)),
    [],
  );
});
