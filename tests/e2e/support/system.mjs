// The running system: its page, its APIs and its storage, on ports and a data folder of its own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { AwsClient } from "aws4fetch";
import { ROOT, requiredEnv, testFolder } from "./files.mjs";

/**
 * An open multipart upload.
 *
 * @typedef {{ id: string, key: string }} OpenUpload
 */

/** The longest wait for any single thing. */
export const TIMEOUT_MS = 120_000;

/** The folder of the built page. */
export const siteFolder = () => requiredEnv("GRELOUPIS_SITE");

/**
 * A copy of the page with a strict Content-Security-Policy; `changes` replace single directives.
 *
 * @param {Record<string, string>} [changes]
 */
export async function siteWithCsp(changes = {}) {
  const copy = await mkdtemp(join(await testFolder("csp-site"), "site-"));
  await cp(siteFolder(), copy, { recursive: true });
  const html = await readFile(join(copy, "index.html"), "utf8");
  const [, importMap = ""] = html.match(/<script type="importmap">([\s\S]*?)<\/script>/) ?? [];
  const directives = {
    "default-src": "'self'",
    "script-src": `'self' 'wasm-unsafe-eval' 'sha256-${createHash("sha256").update(importMap).digest("base64")}'`,
    // The player's elements have style elements and style attributes.
    "style-src": "'self' 'unsafe-inline'",
    "connect-src": "'self' http://127.0.0.1:*",
    "img-src": "'self' blob: data:",
    // hls.js adds captions by a track of a data URL.
    "media-src": "'self' blob: data:",
    // hls.js starts its worker from a blob.
    "worker-src": "'self' blob:",
    ...changes,
  };
  const policy = Object.entries(directives)
    .map((directive) => directive.join(" "))
    .join("; ");
  for (const name of ["index.html", "watch.html"]) {
    const page = await readFile(join(copy, name), "utf8");
    const meta = `<head><meta http-equiv="Content-Security-Policy" content="${policy}">`;
    await writeFile(join(copy, name), page.replace("<head>", meta));
  }
  return copy;
}

/** The first of three consecutive free ports: for the page, S3 and MediaConvert. */
async function freePorts() {
  for (;;) {
    const servers = [];
    try {
      let port = 0;
      for (let offset = 0; offset < 3; offset += 1) {
        const server = createServer();
        server.listen(port && port + offset, "127.0.0.1");
        await once(server, "listening");
        servers.push(server);
        port ||= /** @type {import("node:net").AddressInfo} */ (server.address()).port;
      }
      return port;
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (!["EADDRINUSE", "ERR_SOCKET_BAD_PORT"].includes(code ?? "")) throw error;
    } finally {
      await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
    }
  }
}

/** A running system. It can be killed and started again on the same ports and data. */
export class System {
  log = "";
  url = "";
  port = 0;
  data = "";
  /** @type {{ api: string, s3: string, mediaconvert: string }} */
  endpoints = { api: "", s3: "", mediaconvert: "" };
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #child;
  #env;
  #site;
  #args;

  /**
   * @param {Record<string, string>} env
   * @param {string} site
   * @param {string[]} args
   */
  constructor(env, site, args) {
    this.#env = env;
    this.#site = site;
    this.#args = args;
  }

  /**
   * @param {Record<string, string>} [env]
   * @param {string} [site]
   * @param {string[]} [args] More arguments.
   */
  static async start(env = {}, site = siteFolder(), args = []) {
    const system = new System(env, site, args);
    system.port = await freePorts();
    system.data = await mkdtemp(join(await testFolder("data"), "run-"));
    await system.start();
    return system;
  }

  async start() {
    const args = ["--port", this.port, "--data", this.data, "--site", this.#site, "--job", join(ROOT, "job.json")];
    const child = spawn(requiredEnv("GRELOUPIS_LOCAL"), [...args.map(String), ...this.#args], {
      // Files of tests have headers that tell no duration.
      env: { ...process.env, ALLOW_UNKNOWN_DURATION: "yes", ...this.#env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    child.stderr.setEncoding("utf8").on("data", (text) => {
      this.log += text;
    });
    const ready = once(createInterface(child.stdout), "line").then(([line]) => line);
    const exited = once(child, "exit").then(([code]) =>
      Promise.reject(new Error(`The system exited with ${code}:\n${this.log}`)),
    );
    const line = await Promise.race([ready, exited]);
    exited.catch(() => {});
    assert.match(line, /^ready http:/);
    this.url = line.slice("ready ".length);
    this.endpoints = (await (await fetch(`${this.url}/healthz`)).json()).endpoints;
  }

  /** Kills the process without a chance to clean up. */
  async kill() {
    await end(this.#child, "SIGKILL");
  }

  async stop() {
    await end(this.#child, "SIGTERM");
    await rm(this.data, { recursive: true, force: true });
  }

  /**
   * Calls the edge's API and returns the parsed body; fails unless the status is a success.
   *
   * @param {string} path
   * @param {RequestInit} [options]
   */
  async api(path, options) {
    const response = await fetch(this.endpoints.api + path, options);
    assert.ok(response.ok, `${path} answers ${response.status}`);
    return response.json();
  }

  /**
   * Sends a signed request to `s3` or `mediaconvert`.
   *
   * @param {"s3" | "mediaconvert"} service
   * @param {string} path
   * @param {RequestInit} [options]
   */
  aws(service, path, options) {
    const credentials = { accessKeyId: "local", secretAccessKey: "locallocal" };
    const client = new AwsClient({ ...credentials, region: "us-east-1", service, retries: 0 });
    return client.fetch(this.endpoints[service] + path, options);
  }

  /**
   * Keys in a bucket that start with `prefix`.
   *
   * @param {string} bucket
   * @param {string} prefix
   */
  async keys(bucket, prefix) {
    const response = await this.aws("s3", `/${bucket}?list-type=2&prefix=${encodeURIComponent(prefix)}`);
    return elementTexts(await response.text(), "Key");
  }

  /**
   * Upload ids and keys of the open multipart uploads.
   *
   * @returns {Promise<OpenUpload[]>}
   */
  async openUploads() {
    const xml = await (await this.aws("s3", "/uploads?uploads")).text();
    assert.match(xml, /ListMultipartUploadsResult/);
    const keys = elementTexts(xml, "Key");
    return elementTexts(xml, "UploadId").map((id, index) => ({ id, key: keys[index] }));
  }

  /**
   * The stored parts of an open upload, each as `number etag`.
   *
   * @param {OpenUpload} upload
   */
  async storedParts({ id, key }) {
    const xml = await (await this.aws("s3", `/uploads/${key}?uploadId=${encodeURIComponent(id)}`)).text();
    const etags = elementTexts(xml, "ETag");
    return elementTexts(xml, "PartNumber").map((number, index) => `${number} ${etags[index]}`);
  }

  /**
   * SHA-256 of a video's only stored object, read back through S3.
   *
   * @param {string} videoId
   */
  async storedSha256(videoId) {
    const keys = await this.keys("uploads", `inputs/${videoId}.`);
    assert.equal(keys.length, 1, `expected one object, found ${keys}`);
    const response = await this.aws("s3", `/uploads/${keys[0]}`);
    assert.equal(response.status, 200);
    const hash = createHash("sha256");
    assert.ok(response.body);
    await pipeline(response.body, hash);
    return hash.digest("hex");
  }
}

/**
 * Sends a signal to a running process and waits for its end.
 *
 * @param {import("node:child_process").ChildProcess | undefined} child
 * @param {NodeJS.Signals} signal
 */
async function end(child, signal) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill(signal);
  await exit;
}

/**
 * @param {string} xml
 * @param {string} tag
 */
const elementTexts = (xml, tag) =>
  [...xml.matchAll(new RegExp(`<${tag}>([^<]*)</${tag}>`, "g"))].map(([, text]) => text);

/**
 * Polls until `condition` returns something truthy, and returns it. For what has no event to await.
 *
 * @template T
 * @param {() => T | Promise<T>} condition
 * @returns {Promise<NonNullable<T>>}
 */
export async function waitUntil(condition) {
  const deadline = Date.now() + TIMEOUT_MS;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`Condition not met within ${TIMEOUT_MS / 1000} s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * Waits until `count` parts of the only open upload are stored; returns the upload.
 *
 * @param {System} system
 * @param {number} count
 * @returns {Promise<OpenUpload>}
 */
export function waitForStoredParts(system, count) {
  return waitUntil(async () => {
    const [open] = await system.openUploads();
    return open && (await system.storedParts(open)).length >= count ? open : undefined;
  });
}
