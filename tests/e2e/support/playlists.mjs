// Judges HLS playlists: m3u8-parser reads them, ffprobe and the bytes of the segments tell whether they are true.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
// @ts-expect-error: it has no types.
import { Parser } from "m3u8-parser";
import { packets, testFolder } from "./files.mjs";

/**
 * @typedef {{ uri: string, duration: number, bytes: Uint8Array, init: Uint8Array }} Segment
 * @typedef {{ url: string, targetDuration: number, segments: Segment[] }} Rendition
 * @typedef {{ rendition: Rendition, audio?: Rendition, attributes: Record<string, any> }} Variant
 */

/** In seconds; timestamps of transport streams have 90 kHz. */
const ROUNDING = 0.001;

/**
 * The manifest that m3u8-parser reads at `url`; fails if it warns.
 *
 * @param {string} url
 */
async function parse(url) {
  const parser = new Parser();
  /** @type {string[]} */
  const warnings = [];
  parser.on("warn", (/** @type {{ message: string }} */ warning) => warnings.push(warning.message));
  const response = await fetch(url);
  assert.equal(response.status, 200, url);
  parser.push(await response.text());
  parser.end();
  assert.deepEqual(warnings, [], url);
  return parser.manifest;
}

/** @param {string} url */
async function bytesOf(url) {
  const response = await fetch(url);
  assert.equal(response.status, 200, url);
  return new Uint8Array(await response.arrayBuffer());
}

/**
 * A media playlist with the bytes of its segments.
 *
 * @param {string} url
 * @returns {Promise<Rendition>}
 */
async function readRendition(url) {
  const manifest = await parse(url);
  assert.ok(manifest.endList, `${url} has no end`);
  const segments = [];
  /** @type {Map<string, Uint8Array>} */
  const inits = new Map();
  for (const { uri, duration, map, byterange } of manifest.segments) {
    assert.equal(byterange, undefined, "segments are files");
    if (map && !inits.has(map.uri)) inits.set(map.uri, await bytesOf(new URL(map.uri, url).href));
    const init = inits.get(map?.uri) ?? new Uint8Array();
    segments.push({ uri, duration, bytes: await bytesOf(new URL(uri, url).href), init });
  }
  return { url, targetDuration: manifest.targetDuration, segments };
}

/**
 * The variants of a master playlist, smallest first.
 *
 * @param {string} url
 * @returns {Promise<Variant[]>}
 */
export async function readVariants(url) {
  const master = await parse(url);
  const groups = master.mediaGroups.AUDIO;
  const variants = [];
  for (const { uri, attributes } of master.playlists) {
    const rendition = await readRendition(new URL(uri, url).href);
    const tracks = Object.values(groups[attributes.AUDIO] ?? {});
    const audio = tracks[0] && (await readRendition(new URL(tracks[0].uri, url).href));
    variants.push({ rendition, audio, attributes });
  }
  return variants.sort((a, b) => a.attributes.RESOLUTION.height - b.attributes.RESOLUTION.height);
}

/**
 * The peak rate of RFC 8216: that of the run of segments with the highest, between 0.5 and 1.5 target durations long. In
 * bits per second.
 *
 * @param {Rendition} rendition
 */
function peakBandwidth({ segments, targetDuration }) {
  let peak = 0;
  for (let first = 0; first < segments.length; first += 1) {
    let [bits, seconds] = [0, 0];
    for (const { bytes, duration } of segments.slice(first)) {
      bits += bytes.length * 8;
      seconds += duration;
      if (seconds > 1.5 * targetDuration) break;
      if (seconds >= 0.5 * targetDuration) peak = Math.max(peak, bits / seconds);
    }
  }
  return peak;
}

/** @param {Rendition} rendition */
function averageBandwidth({ segments }) {
  const sum = (/** @type {(segment: Segment) => number} */ value) => segments.reduce((all, one) => all + value(one), 0);
  return (sum(({ bytes }) => bytes.length) * 8) / sum(({ duration }) => duration);
}

/**
 * `avc1.PPCCLL` as the bytes have it: from the sequence parameter set of a transport stream, or from `avcC`.
 *
 * @param {Segment} segment
 */
function h264Codec({ bytes, init }) {
  const buffer = Buffer.concat([init, bytes]);
  const box = buffer.indexOf("avcC");
  // `avcC` has its version before the three bytes.
  const at = box >= 0 ? box + 5 : buffer.indexOf(Buffer.from([0, 0, 1, 0x67])) + 4;
  assert.ok(at > 4, "the segment has no parameter set");
  return `avc1.${buffer.subarray(at, at + 3).toString("hex")}`;
}

/**
 * Time and flags of the video's packets of a segment, in the order of the file.
 *
 * @param {Segment} segment
 */
async function videoPackets({ bytes, init, uri }) {
  const path = join(await testFolder("segments"), uri.replaceAll("/", "-"));
  await writeFile(path, Buffer.concat([init, bytes]));
  return packets(path, "v");
}

/**
 * Checks one variant: each segment begins with a key frame where the playlist says, and what the master playlist
 * declares is true. Returns the times at which the segments begin.
 *
 * @param {Variant} variant
 * @param {number} frameRate
 */
export async function checkVariant({ rendition, audio, attributes }, frameRate) {
  const { segments, targetDuration, url } = rendition;
  const frame = 1 / frameRate;
  const starts = [];
  let [first, elapsed] = [Number.NaN, 0];
  for (const segment of segments) {
    const found = await videoPackets(segment);
    assert.ok(found[0].flags.startsWith("K"), `${segment.uri} doesn't begin with a key frame`);
    const start = Math.min(...found.map(({ time }) => time));
    if (Number.isNaN(first)) first = start;
    assert.ok(
      Math.abs(start - first - elapsed) < frame,
      `${segment.uri} begins at ${start}, not at ${first + elapsed}`,
    );
    assert.ok(Math.round(segment.duration) <= targetDuration, `${segment.uri} is longer than the target duration`);
    assert.equal(found.length, Math.round(segment.duration * frameRate), `frames of ${segment.uri}`);
    starts.push(start);
    elapsed += segment.duration;
  }
  const parts = audio ? [rendition, audio] : [rendition];
  const total = (/** @type {(part: Rendition) => number} */ value) => parts.reduce((sum, part) => sum + value(part), 0);
  const [peak, average] = [total(peakBandwidth), total(averageBandwidth)];
  assert.ok(attributes.BANDWIDTH >= peak, `${url}: BANDWIDTH ${attributes.BANDWIDTH} is below ${peak}`);
  // A little more for the playlists' rounding of durations.
  const declared = Number(attributes["AVERAGE-BANDWIDTH"]);
  assert.ok(declared * (1 + ROUNDING) >= average, `${url}: AVERAGE-BANDWIDTH ${declared} is below ${average}`);
  assert.equal(Number(attributes["FRAME-RATE"]), frameRate, url);
  const codecs = attributes.CODECS.split(",");
  assert.deepEqual(codecs.sort(), [h264Codec(segments[0]), "mp4a.40.2"], url);
  return starts;
}
