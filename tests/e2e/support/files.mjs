// Files to send: clips that ffmpeg makes once and keeps under target/, and what ffprobe says of any.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, readFile, rename, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** A folder of the tests under target/; made if it is missing. */
export async function folder(name) {
  const path = join(ROOT, "target/e2e", name);
  await mkdir(path, { recursive: true });
  return path;
}

export async function sha256(path) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

const picture = (size, seconds, rate = 24) => ["-f", "lavfi", "-i", `testsrc2=size=${size}:rate=${rate}:duration=${seconds}`];
const tone = (seconds) => ["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=48000:duration=${seconds}`];
const H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
const AAC = ["-c:a", "aac"];

/** How each clip is made. */
const CLIPS = {
  // Noise can't be compressed: a hundred megabytes in a few seconds that are quickly converted.
  "big.mp4": [...picture("1920x1080", 6.5), ...tone(6.5), "-vf", "noise=alls=8:allf=t", ...H264, "-b:v", "130M", ...AAC],
  "upright.mp4": [...picture("1280x720", 4, 30), ...tone(4), ...H264, ...AAC],
  "silent.mp4": [...picture("960x540", 4), ...H264],
  "short.mp4": [...picture("320x180", 1), ...tone(1), ...H264, ...AAC],
};

/** The path of a clip; made once and kept. */
export async function clip(name) {
  const path = join(await folder("clips"), name);
  if (!existsSync(path)) await make(path, CLIPS[name]);
  return path;
}

/** Runs ffmpeg so that `path` is there only once it is whole. */
export async function make(path, args) {
  const half = `${path}.half.mp4`;
  await run("ffmpeg", ["-v", "error", "-y", ...args, "-movflags", "+faststart", half]);
  await rename(half, path);
}

/** In bytes. */
export const BULK = 120_000_000;

/** The path of a copy that a large empty box makes bulky: it takes its time to be sent, and none to be converted. */
export async function bulky(source, name) {
  const path = join(await folder("clips"), name);
  if (existsSync(path)) return path;
  const video = await readFile(source);
  await writeFile(`${path}.half`, Buffer.concat([video, emptyBox(BULK - video.length)]));
  await truncate(`${path}.half`, BULK);
  await rename(`${path}.half`, path);
  return path;
}

export const bulkyClip = async () => bulky(await clip("short.mp4"), "bulky.mp4");

/** The head of a box that players skip, so many bytes long. */
function emptyBox(length) {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(length);
  head.write("free", 4);
  return head;
}

/** A clip as phones film upright: the pictures lie on their side, and a matrix says how to turn them. */
export async function phoneClip() {
  const path = join(await folder("clips"), "phone.mov");
  if (existsSync(path)) return path;
  const lying = await clip("upright.mp4");
  // ffmpeg has renamed this option; whichever it knows.
  const ways = [["-display_rotation", "90", "-i", lying, "-c", "copy"], ["-i", lying, "-c", "copy", "-metadata:s:v:0", "rotate=90"]];
  for (const way of ways) {
    await run("ffmpeg", ["-v", "error", "-y", ...way, "-f", "mov", `${path}.half`]).catch(() => {});
    if (existsSync(`${path}.half`) && Math.abs((await probe(`${path}.half`)).rotation) === 90) {
      await rename(`${path}.half`, path);
      return path;
    }
  }
  throw new Error("This ffmpeg writes no rotation.");
}

/** What ffprobe says of a file or URL. */
export async function probe(source) {
  const { stdout } = await run("ffprobe", ["-v", "error", "-of", "json", "-show_streams", "-show_format", source]);
  const { streams, format } = JSON.parse(stdout);
  const video = streams.find((stream) => stream.codec_type === "video");
  return {
    width: video?.width,
    height: video?.height,
    codec: video?.codec_name,
    rotation: Number(video?.side_data_list?.find((side) => side.rotation !== undefined)?.rotation ?? 0),
    sound: streams.some((stream) => stream.codec_type === "audio"),
    seconds: Number(format.duration),
    size: Number(format.size),
  };
}

/** Sizes of the renditions of a video, smallest first, each as ffprobe sees it. */
export async function renditions(master) {
  const playlist = await (await fetch(master)).text();
  const names = playlist.split("\n").filter((line) => line && !line.startsWith("#"));
  const found = await Promise.all(names.map((name) => probe(new URL(name, master).href)));
  return found.sort((a, b) => a.height - b.height);
}

export { stat };
