// Captions from the drop to the player, and the storyboard of its time range.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CaptionsList, isCaptions, videoOf } from "../../web/js/queue/captions.js";
import * as e2e from "./support/index.mjs";

/** @typedef {import("../../web/js/queue/index.js").QueueItem} QueueItem */

const GERMAN = "WEBVTT\n\n00:00.500 --> 00:03.000\nGuten Tag\n";
const FRENCH = "1\r\n00:00:00,500 --> 00:00:03,000\r\nBonjour\r\n";

/** @type {e2e.System} */
let system;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {string} */
let folder;

before(async () => {
  system = await e2e.System.start({}, await e2e.siteWithCsp());
  browser = await e2e.startBrowser();
  folder = await e2e.testFolder("captions");
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/** @param {string} name @param {string} text */
async function captionsFile(name, text) {
  const path = join(folder, name);
  await writeFile(path, text);
  return { path };
}

/** @param {string[]} names */
const itemsOf = (...names) => names.map((name) => /** @type {QueueItem} */ ({ name }));

test("captions_belong_to_the_video_of_their_name_or_to_the_only_one", () => {
  const nameOf = (/** @type {string} */ name, /** @type {string[]} */ ...videos) =>
    videoOf({ name }, itemsOf(...videos))?.name;
  assert.equal(nameOf("film.de.vtt", "other.mp4", "film.mp4"), "film.mp4");
  assert.equal(nameOf("Film_en-US.SRT", "other.mp4", "film.mov"), "film.mov");
  assert.equal(nameOf("film.2.de.vtt", "film.mp4", "film.2.mp4"), "film.2.mp4");
  assert.equal(nameOf("filming.vtt", "film.mp4", "other.mp4"), undefined);
  assert.equal(nameOf("english.vtt", "film.mp4"), "film.mp4");
  assert.equal(nameOf("english.vtt"), undefined);
  assert.deepEqual(
    ["a.vtt", "a.SRT", "a.mp4", "vtt"].map((name) => isCaptions({ name })),
    [true, true, false, false],
  );
});

test("captions_are_sent_one_by_one_once_their_video_is_stored", async () => {
  /** @type {{ name: string, end(error?: Error): void }[]} */
  const sent = [];
  const upload = (/** @type {File} */ { name }) => {
    const done = new Promise((resolve, reject) => {
      sent.push({ name, end: (error) => (error ? reject(error) : resolve(undefined)) });
    });
    return /** @type {any} */ ({ done, cancel() {} });
  };
  /** @type {(string | undefined)[]} */
  let states = [];
  const captions = new CaptionsList((list) => {
    states = list.map(({ name, state, error }) => `${name} ${error?.message ?? state}`);
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  captions.add(new File(["a"], "film.de.vtt"));
  captions.add(new File(["b"], "film.fr.vtt"));
  assert.deepEqual(states, ["film.de.vtt queued", "film.fr.vtt queued"]);
  captions.start(upload, { endpoint: "/api", videoId: "v" });
  assert.deepEqual(states, ["film.de.vtt uploading", "film.fr.vtt queued"]);
  sent[0].end();
  await turn();
  assert.deepEqual(states, ["film.de.vtt uploaded", "film.fr.vtt uploading"]);
  sent[1].end(new Error("Refused."));
  await turn();
  assert.deepEqual(states, ["film.de.vtt uploaded", "film.fr.vtt Refused."]);
  captions.add(new File(["c"], "film.fr.vtt"));
  assert.deepEqual(states, ["film.de.vtt uploaded", "film.fr.vtt uploading"]);
  // The video is sent again, under another id: so are all captions.
  captions.reset();
  assert.deepEqual(states, ["film.de.vtt queued", "film.fr.vtt queued"]);
  sent[2].end();
  await turn();
  assert.deepEqual(states, ["film.de.vtt queued", "film.fr.vtt queued"]);
  assert.deepEqual(
    sent.map(({ name }) => name),
    ["film.de.vtt", "film.fr.vtt", "film.fr.vtt"],
  );
});

test("captions_without_a_video_and_files_that_only_look_like_captions_are_refused", async () => {
  const page = await e2e.openPage(browser, system.url);
  await e2e.drop(page, [await captionsFile("alone.de.vtt", GERMAN)]);
  await page.locator("#uploader [part~=notice]", { hasText: "Captions need their video" }).waitFor();
  const video = { path: await e2e.clip("silent.mp4"), name: "odd.mp4" };
  await e2e.drop(page, [video, await captionsFile("odd.de.vtt", "no captions")]);
  const card = e2e.cardOf(page, "odd.mp4");
  await e2e.reachesState(card, "ready");
  await card.getByText("odd.de.vtt (The file isn't captions in WebVTT or SubRip.)").waitFor();
  await page.context().close();
});

test("captions_beside_a_video_and_later_ones_become_renditions_with_a_storyboard", async () => {
  const page = await e2e.openPage(browser, system.url);
  const video = { path: await e2e.clip("silent.mp4"), name: "ferry.mp4" };
  await e2e.drop(page, [video, await captionsFile("ferry.de.vtt", GERMAN)]);
  const card = e2e.cardOf(page, "ferry.mp4");
  await e2e.reachesState(card, "ready");
  await card.getByText("Captions: ferry.de.vtt").waitFor();
  const { videoId, urls } = await system.api(`/videos/${await e2e.videoIdOf(card)}`);
  const languages = async () => {
    const master = await (await fetch(urls.hls, { cache: "no-store" })).text();
    return [...master.matchAll(/TYPE=SUBTITLES.*LANGUAGE="([^"]*)"/g)].map(([, language]) => language).sort();
  };
  await e2e.waitUntil(async () => (await languages()).join() === "de");
  await e2e.drop(page, [await captionsFile("ferry.fr.srt", FRENCH)]);
  await e2e.waitUntil(async () => (await languages()).join() === "de,fr");

  await page.goto(`${system.url}/watch.html?v=${videoId}`);
  await page.locator("media-play-button").waitFor();
  await page.waitForFunction(() => {
    const media = /** @type {HTMLVideoElement} */ (document.querySelector("#media"));
    const tracks = [...media.textTracks];
    const storyboard = tracks.find(({ label }) => label === "thumbnails");
    return tracks.filter(({ kind }) => kind === "subtitles").length === 2 && (storyboard?.cues?.length ?? 0) > 2;
  });
  const cue = await page.evaluate(async () => {
    const media = /** @type {HTMLVideoElement} */ (document.querySelector("#media"));
    const track = [...media.textTracks].find(({ language }) => language === "fr");
    if (!track) return undefined;
    track.mode = "showing";
    media.muted = true;
    await media.play();
    while (!track.activeCues?.length) await new Promise((resolve) => setTimeout(resolve, 50));
    return /** @type {VTTCue} */ (track.activeCues[0]).text;
  });
  assert.equal(cue, "Bonjour");

  // The picture over the time range.
  const range = page.locator("media-time-range");
  await range.hover();
  await page.waitForFunction(() => {
    const preview = document
      .querySelector("media-time-range")
      ?.shadowRoot?.querySelector("media-preview-thumbnail")
      ?.shadowRoot?.querySelector("img");
    return preview instanceof HTMLImageElement && preview.naturalWidth > 100;
  });
  page.assertNoErrors();
  await page.context().close();
});
