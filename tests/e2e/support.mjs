// The real system, real files, a real browser. Tests say what must come true; how to get there lives here.

import { AwsClient } from "aws4fetch";
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const run = promisify(execFile);

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** How long anything may take before it counts as stuck. */
export const PATIENCE = 120_000;

export function given(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} isn't set; run these tests by \`cargo xtask test\`.`);
  return value;
}

/** The folder with the page as `cargo xtask` has put it together. */
export const site = () => given("GRELOUPIS_SITE");

/** A copy of it under a strict policy, as a careful host would send it; `changes` are directives of other values. */
export async function carefulSite(changes = {}) {
  const careful = await mkdtemp(join(await folder("careful-site"), "site-"));
  await cp(site(), careful, { recursive: true });
  const index = join(careful, "index.html");
  const html = await readFile(index, "utf8");
  const [, map] = html.match(/<script type="importmap">([^]*?)<\/script>/);
  const directives = {
    "default-src": "'self'",
    "script-src": `'self' 'wasm-unsafe-eval' 'sha256-${createHash("sha256").update(map).digest("base64")}'`,
    "connect-src": "'self' http://127.0.0.1:*",
    "img-src": "'self' blob:",
    "media-src": "'self' blob:",
    // hls.js makes its worker from a blob.
    "worker-src": "'self' blob:",
    ...changes,
  };
  const policy = Object.entries(directives).map((directive) => directive.join(" ")).join("; ");
  await writeFile(index, html.replace("<head>", `<head><meta http-equiv="Content-Security-Policy" content="${policy}">`));
  return careful;
}

export function onPath(...names) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of names) if (existsSync(join(folder, name))) return join(folder, name);
  }
  throw new Error(`None of ${names.join(", ")} is on the PATH; run these tests by \`cargo xtask test\`.`);
}

// ---- The system

/** Three free ports in a row: the page's, S3's and MediaConvert's. */
async function freePorts() {
  for (;;) {
    const servers = [];
    try {
      let port = 0;
      for (let at = 0; at < 3; at += 1) {
        const server = createServer();
        server.listen(port && port + at, "127.0.0.1");
        await once(server, "listening");
        servers.push(server);
        port ||= server.address().port;
      }
      return port;
    } catch (error) {
      if (!["EADDRINUSE", "ERR_SOCKET_BAD_PORT"].includes(error.code)) throw error;
    } finally {
      await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
    }
  }
}

/** One running system. It can be killed and started again on the same ports and data. */
export class System {
  log = "";
  #child;
  #env;
  #site;

  static async start(env = {}, pages = site()) {
    const system = new System();
    system.#env = env;
    system.#site = pages;
    system.port = await freePorts();
    system.data = await mkdtemp(join(await folder("data"), "run-"));
    await system.start();
    return system;
  }

  async start() {
    const args = ["--port", this.port, "--data", this.data, "--site", this.#site, "--job", join(ROOT, "job.json")];
    const child = spawn(given("GRELOUPIS_LOCAL"), args.map(String), {
      env: { ...process.env, ...this.#env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    child.stderr.setEncoding("utf8").on("data", (text) => (this.log += text));
    const lines = createInterface(child.stdout);
    const ready = once(lines, "line").then(([line]) => line);
    const ended = once(child, "exit").then(([code]) => Promise.reject(new Error(`It ended with ${code}:\n${this.log}`)));
    const line = await Promise.race([ready, ended]);
    ended.catch(() => {});
    assert.match(line, /^ready http:/);
    this.url = line.slice("ready ".length);
    this.endpoints = (await (await fetch(`${this.url}/healthz`)).json()).endpoints;
  }

  /** As the power cut does it. */
  async kill() {
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
  }

  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exit = once(this.#child, "exit");
      this.#child.kill("SIGTERM");
      await exit;
    }
    await rm(this.data, { recursive: true, force: true });
  }

  /** Of a call to the API: its parsed body; anything but success is a failure of the test. */
  async api(path, options) {
    const answer = await fetch(this.endpoints.api + path, options);
    assert.ok(answer.ok, `${path} answers ${answer.status}`);
    return answer.json();
  }

  /** A signed call to S3 or MediaConvert. */
  aws(service, path, options) {
    const keys = { accessKeyId: "local", secretAccessKey: "locallocal" };
    const client = new AwsClient({ ...keys, region: "us-east-1", service, retries: 0 });
    return client.fetch(this.endpoints[service] + path, options);
  }

  /** Keys in a bucket that start with `prefix`. */
  async keys(bucket, prefix) {
    const answer = await this.aws("s3", `/${bucket}?list-type=2&prefix=${encodeURIComponent(prefix)}`);
    return found(await answer.text(), "Key");
  }

  /** The upload ids and keys of what is under way in the bucket for uploads. */
  async openUploads() {
    const xml = await (await this.aws("s3", "/uploads?uploads")).text();
    assert.match(xml, /ListMultipartUploadsResult/);
    const keys = found(xml, "Key");
    return found(xml, "UploadId").map((id, at) => ({ id, key: keys[at] }));
  }

  /** The parts that S3 has of an upload, as `number etag`. */
  async storedParts({ id, key }) {
    const xml = await (await this.aws("s3", `/uploads/${key}?uploadId=${encodeURIComponent(id)}`)).text();
    const etags = found(xml, "ETag");
    return found(xml, "PartNumber").map((number, at) => `${number} ${etags[at]}`);
  }

  /** SHA-256 of the one stored object of a video, read back through S3. */
  async storedSha256(videoId) {
    const keys = await this.keys("uploads", `inputs/${videoId}.`);
    assert.equal(keys.length, 1, `one object, not ${keys}`);
    const answer = await this.aws("s3", `/uploads/${keys[0]}`);
    assert.equal(answer.status, 200);
    const hash = createHash("sha256");
    await pipeline(answer.body, hash);
    return hash.digest("hex");
  }
}

const found = (xml, tag) => [...xml.matchAll(new RegExp(`<${tag}>([^<]*)</${tag}>`, "g"))].map(([, text]) => text);

/** Asks until the answer is truthy: for what has no event that could be awaited. */
export async function until(ask) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`This never came true: ${ask}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// ---- Files

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

// ---- The browser

export async function startBrowser() {
  return chromium.launch({ executablePath: onPath("chromium", "chromium-browser", "google-chrome") });
}

/**
 * Opens the page; whatever it complains of fails the test at its end, by `page.assertQuiet()`. In a browser of its
 * own, made by `options`, or beside another page, in its `context`.
 */
export async function openPage(browser, url, { options, context: given, prepare } = {}) {
  const context = given ?? (await browser.newContext({ locale: "en-GB", ...options }));
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // The browser logs each failed request by itself; those are the tests' own business.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  page.assertQuiet = () => assert.deepEqual(complaints, []);
  await prepare?.(page);
  await page.goto(url);
  return page;
}

/** Drops files on the page, as a person does. Each is `{ path, name?, type?, lastModified? }`. */
export async function drop(page, files) {
  const hold = await page.evaluateHandle(() => Object.assign(document.createElement("input"), { type: "file", multiple: true }));
  // Files picked this way stay on the disk, however large.
  await hold.setInputFiles(files.map((file) => file.path));
  await hold.evaluate((input, files) => {
    const transfer = new DataTransfer();
    [...input.files].forEach((file, at) => {
      const { name, type = file.type, lastModified = file.lastModified } = files[at];
      transfer.items.add(name === undefined ? file : new File([file], name, { type, lastModified }));
    });
    const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
    for (const kind of ["dragenter", "dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, options));
  }, files);
}

/** The card of a file, by its exact name. */
export function cardOf(page, name) {
  return page.locator("#queue .card").filter({ has: page.locator(`.name[title=${JSON.stringify(name)}]`) });
}

/** Waits until a card is in a state; tells what it says if it gets to another end. */
export async function reaches(card, state) {
  const ends = ["ready", "failed", "canceled"];
  const selector = [state, ...ends].map((one) => `self::*[@data-state="${one}"]`).join(" | ");
  const ended = card.locator(`xpath=${selector}`);
  await ended.waitFor().catch(async (cause) => {
    throw new Error(`It never became ${state}; it says: ${await card.innerText()}`, { cause });
  });
  const reached = await ended.getAttribute("data-state");
  assert.equal(reached, state, await card.innerText());
}

/** The id of the video that a ready card offers. */
export async function videoIdOf(card) {
  return (await card.locator(".links .button").getAttribute("href")).slice("#v=".length);
}

/** Plays a card's video in the page and waits until it has passed `seconds`. */
export async function playsPast(page, card, seconds) {
  await card.getByRole("link", { name: "Watch" }).click();
  await page.waitForFunction((seconds) => document.querySelector("dialog[open] video")?.currentTime > seconds, seconds);
}

/** What the page fetched so far. */
export const fetched = (page) => page.evaluate(() => performance.getEntriesByType("resource").map((entry) => entry.name));

/** Collects the page's requests from now on that `matter`, as `METHOD path?query`. */
export function requests(page, matter = () => true) {
  const seen = [];
  page.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    if (matter(request)) seen.push(`${request.method()} ${pathname}${search}`);
  });
  return seen;
}

/** Collects the numbers of the parts that the page sends from now on, in that order. */
export function partsSent(page) {
  const sent = [];
  page.on("request", (request) => {
    if (request.method() === "PUT") sent.push(Number(new URL(request.url()).searchParams.get("partNumber")));
  });
  return sent;
}

/** Waits until `count` parts of the one open upload are stored; that upload. */
export function partsStored(system, count) {
  return until(async () => {
    const [open] = await system.openUploads();
    return open && (await system.storedParts(open)).length >= count && open;
  });
}

/** Loads the page anew, whatever it would rather have. */
export async function reload(page) {
  page.once("dialog", (dialog) => dialog.accept());
  await page.reload();
}

/** Slows the page's uploads to so many bytes a second; `0` lets them free. */
export const throttle = (page, bytesPerSecond) => emulate(page, { uploadThroughput: bytesPerSecond || -1 });

/** Takes the network from the page, its worker included. */
export const unplug = (page) => emulate(page, { offline: true });

const sessions = new WeakMap();

async function emulate(page, conditions) {
  // What several sessions ask of one page gets into each other's way.
  if (!sessions.has(page)) sessions.set(page, page.context().newCDPSession(page));
  const session = await sessions.get(page);
  const free = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
  await session.send("Network.emulateNetworkConditions", { ...free, ...conditions });
}

/** Sizes of the renditions of a video, smallest first, each as ffprobe sees it. */
export async function renditions(master) {
  const playlist = await (await fetch(master)).text();
  const names = playlist.split("\n").filter((line) => line && !line.startsWith("#"));
  const found = await Promise.all(names.map((name) => probe(new URL(name, master).href)));
  return found.sort((a, b) => a.height - b.height);
}

export { stat };
