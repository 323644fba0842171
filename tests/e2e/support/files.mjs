// Files for the tests: clips made once by ffmpeg and kept under target/, ffprobe's view of any media, executables.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, readFile, rename, stat, truncate, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/**
 * What ffprobe reports of a file.
 *
 * @typedef {{ width: number, height: number, codec: string, rotation: number, hasAudio: boolean, seconds: number, size: number }} Probe
 */

const run = promisify(execFile);

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/**
 * An environment variable that `cargo xtask test` sets.
 *
 * @param {string} name
 */
export function requiredEnv(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} isn't set; run these tests by \`cargo xtask test e2e\`.`);
  return value;
}

/**
 * The path of the first of these programs on the PATH.
 *
 * @param {string[]} names
 */
export function findExecutable(...names) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of names) if (existsSync(join(folder, name))) return join(folder, name);
  }
  throw new Error(`None of ${names.join(", ")} is on the PATH; run these tests by \`cargo xtask test e2e\`.`);
}

/**
 * A folder under target/e2e; created if it is missing.
 *
 * @param {string} name
 */
export async function testFolder(name) {
  const path = join(ROOT, "target/e2e", name);
  await mkdir(path, { recursive: true });
  return path;
}

/** @param {string} path */
export const sizeOf = async (path) => (await stat(path)).size;

/** @param {string} path */
export async function sha256(path) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/**
 * @param {string} size
 * @param {number} seconds
 */
const testPicture = (size, seconds, rate = 24) => [
  "-f",
  "lavfi",
  "-i",
  `testsrc2=size=${size}:rate=${rate}:duration=${seconds}`,
];
/** @param {number} seconds */
const tone = (seconds) => ["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=48000:duration=${seconds}`];
const H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
const AAC = ["-c:a", "aac"];

/** ffmpeg arguments of each clip. */
const CLIPS = {
  // 100 MB in few seconds of video, because noise doesn't compress; converts quickly.
  "big.mp4": [
    ...testPicture("1920x1080", 6.5),
    ...tone(6.5),
    "-vf",
    "noise=alls=8:allf=t",
    ...H264,
    "-b:v",
    "130M",
    ...AAC,
  ],
  "upright.mp4": [...testPicture("1280x720", 4, 30), ...tone(4), ...H264, ...AAC],
  "silent.mp4": [...testPicture("960x540", 4), ...H264],
  "short.mp4": [...testPicture("320x180", 1), ...tone(1), ...H264, ...AAC],
  // Two HLS segments and a shorter one, for three renditions.
  "segments.mp4": [...testPicture("1280x720", 13), ...tone(13), ...H264, ...AAC],
};

/**
 * The path of a clip; made once and kept.
 *
 * @param {keyof typeof CLIPS} name
 */
export async function clip(name) {
  const path = join(await testFolder("clips"), name);
  if (!existsSync(path)) await encode(path, CLIPS[name]);
  return path;
}

/**
 * Runs ffmpeg; `path` exists only once the file is complete.
 *
 * @param {string} path
 * @param {string[]} args
 */
export async function encode(path, args) {
  const partial = `${path}.partial.mp4`;
  await run("ffmpeg", ["-v", "error", "-y", ...args, "-movflags", "+faststart", partial]);
  await rename(partial, path);
}

/** Size of a padded clip, in bytes. */
export const PADDED_SIZE = 120_000_000;

/**
 * A copy of a video, padded by an empty box to `PADDED_SIZE`: takes long to send, and no time to convert.
 *
 * @param {string} source
 * @param {string} name
 */
export async function padded(source, name) {
  const path = join(await testFolder("clips"), name);
  if (existsSync(path)) return path;
  const video = await readFile(source);
  await writeFile(`${path}.partial`, Buffer.concat([video, emptyBoxHeader(PADDED_SIZE - video.length)]));
  await truncate(`${path}.partial`, PADDED_SIZE);
  await rename(`${path}.partial`, path);
  return path;
}

export const paddedClip = async () => padded(await clip("short.mp4"), "padded.mp4");

/**
 * The header of a `free` box, which players skip.
 *
 * @param {number} length
 */
function emptyBoxHeader(length) {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(length);
  header.write("free", 4);
  return header;
}

/** A portrait clip as phones record it: landscape pictures and a rotation matrix. */
export async function phoneClip() {
  const path = join(await testFolder("clips"), "phone.mov");
  if (existsSync(path)) return path;
  const landscape = await clip("upright.mp4");
  // ffmpeg versions differ in the option for rotation.
  const variants = [
    ["-display_rotation", "90", "-i", landscape, "-c", "copy"],
    ["-i", landscape, "-c", "copy", "-metadata:s:v:0", "rotate=90"],
  ];
  for (const args of variants) {
    await run("ffmpeg", ["-v", "error", "-y", ...args, "-f", "mov", `${path}.partial`]).catch(() => {});
    if (existsSync(`${path}.partial`) && Math.abs((await probe(`${path}.partial`)).rotation) === 90) {
      await rename(`${path}.partial`, path);
      return path;
    }
  }
  throw new Error("This ffmpeg can't write a rotation.");
}

/**
 * ffprobe's report of a file or URL.
 *
 * @param {string} source
 * @returns {Promise<Probe>}
 */
export async function probe(source) {
  const { stdout } = await run("ffprobe", ["-v", "error", "-of", "json", "-show_streams", "-show_format", source]);
  /** @type {{ streams: any[], format: any }} */
  const { streams, format } = JSON.parse(stdout);
  const video = streams.find((stream) => stream.codec_type === "video");
  return {
    width: video?.width,
    height: video?.height,
    codec: video?.codec_name,
    rotation: Number(
      video?.side_data_list?.find((/** @type {any} */ data) => data.rotation !== undefined)?.rotation ?? 0,
    ),
    hasAudio: streams.some((stream) => stream.codec_type === "audio"),
    seconds: Number(format.duration),
    size: Number(format.size),
  };
}

/**
 * Time and flags (`K` for a key frame) of the packets of a stream of `kind`, in the order of the file.
 *
 * @param {string} path
 * @param {"v" | "a"} kind
 */
export async function packets(path, kind) {
  const entries = ["-select_streams", kind, "-show_entries", "packet=pts_time,flags"];
  const { stdout } = await run("ffprobe", ["-v", "error", "-of", "json", ...entries, path], { maxBuffer: 1 << 24 });
  /** @type {{ packets: { pts_time: string, flags: string }[] }} */
  const report = JSON.parse(stdout);
  return report.packets.map(({ pts_time, flags }) => ({ time: Number(pts_time), flags }));
}

/**
 * ffprobe's reports of a master playlist's renditions, smallest first.
 *
 * @param {string} masterUrl
 */
export async function renditions(masterUrl) {
  const playlist = await (await fetch(masterUrl)).text();
  const names = playlist.split("\n").filter((line) => line && !line.startsWith("#"));
  const reports = await Promise.all(names.map((name) => probe(new URL(name, masterUrl).href)));
  return reports.sort((a, b) => a.height - b.height);
}
