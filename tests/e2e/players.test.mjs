// HLS of job.json, and CMAF with HLS and DASH, as players see them: m3u8-parser, hls.js and shaka-player.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as e2e from "./support/index.mjs";
import { checkVariant, readVariants } from "./support/playlists.mjs";

/** @type {e2e.System} */
let system;
/** @type {import("playwright-core").Browser} */
let browser;
/** Playlists and manifest, by name. */
const urls = { hls: "", cmaf: "", dash: "" };

const SECONDS = 13;
const FRAME_RATE = 24;
const HLS_JS = fileURLToPath(import.meta.resolve("hls.js/dist/hls.js"));
const SHAKA = fileURLToPath(import.meta.resolve("shaka-player/dist/shaka-player.compiled.js"));

before(async () => {
  system = await e2e.System.start({ OBJECT_OWNER: "local" });
  browser = await e2e.startBrowser();
  const body = await readFile(await e2e.clip("segments.mp4"));
  assert.ok((await system.aws("s3", "/uploads/inputs/segments.mp4", { method: "PUT", body })).ok);
  const video = await e2e.waitUntil(async () => {
    const { videos } = await system.api("/videos");
    return videos.find((/** @type {any} */ { status }) => ["ready", "failed"].includes(status));
  });
  assert.equal(video.status, "ready", JSON.stringify(video));
  const { urls: made } = await system.api(`/videos/${video.videoId}`);
  await convertToCmaf();
  const folder = new URL("../cmaf/segments", made.hls).href;
  Object.assign(urls, { hls: made.hls, cmaf: `${folder}.m3u8`, dash: `${folder}.mpd` });
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/** Converts the clip to a CMAF group with two renditions of video and one of audio. */
async function convertToCmaf() {
  const h264 = { rateControlMode: "QVBR", maxBitrate: 600_000, gopSize: 2, gopSizeUnits: "SECONDS" };
  const video = (/** @type {number} */ height) => ({
    nameModifier: `_${height}`,
    containerSettings: { container: "CMFC" },
    videoDescription: { height, codecSettings: { codec: "H_264", h264Settings: h264 } },
  });
  const aac = { bitrate: 96_000, codingMode: "CODING_MODE_2_0", sampleRate: 48_000 };
  const audio = {
    nameModifier: "_audio",
    containerSettings: { container: "CMFC" },
    audioDescriptions: [{ codecSettings: { codec: "AAC", aacSettings: aac } }],
  };
  const cmafGroupSettings = { destination: "s3://media/assets/cmaf/", segmentLength: 4, fragmentLength: 2 };
  const outputGroupSettings = { type: "CMAF_GROUP_SETTINGS", cmafGroupSettings };
  const settings = {
    inputs: [
      {
        fileInput: "s3://uploads/inputs/segments.mp4",
        audioSelectors: { "Audio Selector 1": { defaultSelection: "DEFAULT" } },
      },
    ],
    outputGroups: [{ outputGroupSettings, outputs: [video(180), video(270), audio] }],
  };
  const body = JSON.stringify({ role: "arn:aws:iam::000000000000:role/any", settings });
  const created = await system.aws("mediaconvert", "/2017-08-29/jobs", { method: "POST", body });
  const { job, message } = await created.json();
  assert.ok(job, message);
  const status = await e2e.waitUntil(async () => {
    const { job: now } = await (await system.aws("mediaconvert", `/2017-08-29/jobs/${job.id}`)).json();
    return ["COMPLETE", "ERROR"].find((end) => end === now.status);
  });
  assert.equal(status, "COMPLETE");
}

/** @param {"hls" | "cmaf"} name */
async function checkPlaylists(name) {
  const variants = await readVariants(urls[name]);
  assert.ok(variants.length > 1);
  /** @type {number[][]} */
  const starts = [];
  for (const variant of variants) {
    starts.push(await checkVariant(variant, FRAME_RATE));
    for (const { segments } of [variant.rendition, ...(variant.audio ? [variant.audio] : [])]) {
      const seconds = segments.reduce((sum, { duration }) => sum + duration, 0);
      assert.ok(Math.abs(seconds - SECONDS) < 0.1, `${seconds} s`);
    }
  }
  for (const other of starts.slice(1)) {
    assert.equal(other.length, starts[0].length);
    const differences = other.map((time, index) => Math.abs(time - starts[0][index]));
    assert.ok(Math.max(...differences) < 1 / FRAME_RATE, "segments of all renditions begin with the same frame");
  }
}

test("playlists_of_job_json_tell_the_truth_about_their_segments", () => checkPlaylists("hls"));

test("playlists_of_cmaf_tell_the_truth_about_their_segments", () => checkPlaylists("cmaf"));

/**
 * Opens an empty page with a video element and a player's script.
 *
 * @param {string} script
 */
async function openPlayer(script) {
  const page = await e2e.openPage(browser, `${system.url}/healthz`);
  await page.addScriptTag({ path: script });
  await page.evaluate(() => {
    document.body.innerHTML = "<video muted></video>";
  });
  return page;
}

/**
 * What the page holds of a player: `levels` select a rendition each.
 *
 * @typedef {{ video: HTMLVideoElement, levels: { height: number, select: () => void }[], errors: string[] }} Player
 */

/**
 * Runs in the page: loads a playlist with hls.js.
 *
 * @param {string} url
 */
async function loadWithHls(url) {
  const { Hls } = /** @type {any} */ (window);
  const video = document.querySelector("video");
  /** @type {string[]} */
  const errors = [];
  const hls = new Hls({ startLevel: 0, maxBufferLength: 60 });
  hls.on(Hls.Events.ERROR, (/** @type {unknown} */ _, /** @type {any} */ data) => {
    const { INTERNAL_ABORTED, BUFFER_STALLED_ERROR, BUFFER_SEEK_OVER_HOLE } = Hls.ErrorDetails;
    // A switch aborts a request. A slow machine decodes too late. A seek to 0 finds the two frames missing by which hls.js
    // delays pictures that are stored in another order. What is buffered tells whether media is missing.
    const harmless = [INTERNAL_ABORTED, BUFFER_STALLED_ERROR, BUFFER_SEEK_OVER_HOLE];
    if (!harmless.includes(data.details)) errors.push(`${data.details}: ${data.error}`);
  });
  const parsed = new Promise((resolve) => hls.on(Hls.Events.MANIFEST_PARSED, resolve));
  hls.loadSource(url);
  hls.attachMedia(video);
  await parsed;
  const level = (/** @type {{ height: number }} */ { height }, /** @type {number} */ index) => ({
    height,
    select: () => {
      hls.currentLevel = index;
    },
  });
  Object.assign(window, { player: { video, levels: hls.levels.map(level), errors } });
}

/**
 * Runs in the page: loads a playlist or a manifest with shaka-player.
 *
 * @param {string} url
 */
async function loadWithShaka(url) {
  const { shaka } = /** @type {any} */ (window);
  const video = document.querySelector("video");
  /** @type {string[]} */
  const errors = [];
  const player = new shaka.Player();
  await player.attach(video);
  player.configure({ abr: { enabled: false }, streaming: { bufferingGoal: 60 } });
  player.addEventListener("error", (/** @type {any} */ { detail }) =>
    errors.push(`${detail.category}: ${detail.code}`),
  );
  await player.load(url);
  const tracks = player.getVariantTracks().sort((/** @type {any} */ a, /** @type {any} */ b) => a.height - b.height);
  const level = (/** @type {{ height: number }} */ track) => ({
    height: track.height,
    select: () => player.selectVariantTrack(track, true),
  });
  Object.assign(window, { player: { video, levels: tracks.map(level), errors } });
}

/**
 * Runs in the page: plays and switches to each rendition, waits until all of the last is buffered, as then only the media
 * can be at fault when playback stops, seeks to `time`, and plays from start to end. Each step ends early with an error.
 *
 * @param {{ time: number, timeout: number }} options
 */
async function playAll({ time, timeout }) {
  const { video, levels, errors } = /** @type {{ player: Player }} */ (/** @type {any} */ (window)).player;
  const deadline = Date.now() + timeout;
  /** @type {(condition: () => boolean, name: string) => Promise<void>} */
  const until = (condition, name) =>
    new Promise((resolve) => {
      const check = () => {
        if (Date.now() > deadline && errors.length === 0) errors.push(`${name} takes too long`);
        if (condition() || errors.length > 0) resolve();
        else setTimeout(check, 50);
      };
      check();
    });
  video.loop = true;
  await video.play();
  for (const { height, select } of levels) {
    select();
    const isShown = () => video.videoHeight === height && video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;
    await until(isShown, `the switch to ${height}`);
  }
  video.pause();
  video.loop = false;
  video.currentTime = 0;
  const ranges = () => {
    const { buffered } = video;
    return Array.from({ length: buffered.length }, (_, index) => [buffered.start(index), buffered.end(index)]);
  };
  const isBuffered = () => ranges().length === 1 && ranges()[0][0] < 0.1 && ranges()[0][1] > video.duration - 0.1;
  await until(isBuffered, "buffering");
  if (!isBuffered()) errors.push(`buffered: ${JSON.stringify(ranges())}`);
  // The first frame to be shown may still be that of the seek before.
  let shownAt = Number.NaN;
  /** @param {unknown} _ @param {{ mediaTime: number }} frame */
  const onFrame = (_, { mediaTime }) => {
    shownAt = mediaTime;
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  video.currentTime = time;
  await until(() => Math.abs(shownAt - time) < 0.1, `the picture at ${time} s`);
  video.currentTime = 0;
  video.playbackRate = 8;
  await video.play();
  await until(() => video.ended, "playback to the end");
  return { heights: levels.map(({ height }) => height), duration: video.duration, errors };
}

/** @type {[string, string, typeof loadWithHls, keyof typeof urls, number[]][]} */
const PLAYERS = [
  ["hls_js", HLS_JS, loadWithHls, "hls", [360, 540, 720]],
  ["hls_js", HLS_JS, loadWithHls, "cmaf", [180, 270]],
  ["shaka_player", SHAKA, loadWithShaka, "hls", [360, 540, 720]],
  ["shaka_player", SHAKA, loadWithShaka, "cmaf", [180, 270]],
  ["shaka_player", SHAKA, loadWithShaka, "dash", [180, 270]],
];
for (const [player, script, load, name, heights] of PLAYERS) {
  test(`${player}_plays_${name}_to_the_end_with_seek_and_switches`, async () => {
    const page = await openPlayer(script);
    await page.evaluate(load, urls[name]);
    const played = await page.evaluate(playAll, { time: 7.5, timeout: e2e.TIMEOUT_MS });
    assert.deepEqual(played.errors, []);
    assert.deepEqual(played.heights, heights);
    assert.ok(Math.abs(played.duration - SECONDS) < 0.1, `${played.duration} s`);
    page.assertNoErrors();
    await page.context().close();
  });
}
