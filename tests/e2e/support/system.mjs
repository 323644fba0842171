// The real system, real files, a real browser. Tests say what must come true; how to get there lives here.

import { AwsClient } from "aws4fetch";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { chromium } from "playwright-core";
import { ROOT, folder } from "./files.mjs";

export * from "./files.mjs";

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
