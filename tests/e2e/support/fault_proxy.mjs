// A system behind the fault proxy: one upload under faults, then the check that exactly the file's bytes are stored,
// once, and that no byte was sent again without need.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, cp, mkdtemp, open, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import * as e2e from "./index.mjs";

/**
 * @import { Profile } from "./browsers.mjs"
 * @typedef {Awaited<ReturnType<Profile["open"]>>} Tab
 * @typedef {{ path: string, sha256: string }} TestFile
 * @typedef {string | { [name: string]: unknown, "without-headers"?: string[] }} Fault
 * @typedef {{ part: number, received: number, outcome: string | number, fault?: Fault }} Attempt
 * @typedef {{ attempts: Attempt[], calls: Record<string, number>, faulted: Record<string, number> }} Log
 * @typedef {import("@greloupis/uploader").UploadOptions} UploadOptions
 */

/**
 * What uploader.html reports of its upload.
 *
 * @typedef {{
 *   state: string,
 *   sent: number,
 *   decreases: number,
 *   retries: { partNumber?: number, reason: string, inMs: number }[],
 *   stored: import("@greloupis/uploader").StoredFile,
 *   error: string | null,
 * }} Report
 */

export const MIB = 2 ** 20;

export const FILE_SIZE = 100_000_000;

/**
 * A file of random bytes and its SHA-256; made once and kept.
 *
 * @returns {Promise<TestFile>}
 */
export async function randomFile() {
  const path = join(await e2e.testFolder("inputs"), "random.bin");
  if (!existsSync(path)) {
    const partial = await open(`${path}.partial`, "w");
    for (let left = FILE_SIZE; left > 0; left -= 10_000_000)
      await partial.write(randomBytes(Math.min(left, 10_000_000)));
    await partial.close();
    await rename(`${path}.partial`, path);
  }
  return { path, sha256: await e2e.sha256(path) };
}

/** A copy of the site with one more page, `uploader.html`: the uploader without the page around it, and its helpers. */
export async function siteWithUploader() {
  const site = await mkdtemp(join(await e2e.testFolder("sites"), "uploader-"));
  await cp(e2e.siteFolder(), site, { recursive: true });
  for (const name of ["uploader.html", "broken_browser.js", "broken_worker.js", "forwarding_service_worker.js"])
    await copyFile(new URL(name, import.meta.url), join(site, name));
  const policy = `<meta http-equiv="Content-Security-Policy" content="require-trusted-types-for 'script'">`;
  const html = await readFile(join(site, "uploader.html"), "utf8");
  await writeFile(join(site, "trusted_types.html"), html.replace("<title>", `${policy}<title>`));
  return site;
}

/** The proxy of tests/support/fault_proxy, where its control requests are documented. */
export class FaultProxy {
  #child;
  #control;

  /**
   * @param {import("node:child_process").ChildProcess} child
   * @param {string} url
   * @param {string} control The URL of control requests.
   */
  constructor(child, url, control) {
    this.#child = child;
    this.url = url;
    this.#control = control;
  }

  static async start() {
    const child = spawn(e2e.requiredEnv("GRELOUPIS_FAULT_PROXY"), { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const addressAfter = async (/** @type {string} */ name) => (await lines.next()).value.slice(`${name} `.length);
    const url = await addressAfter("fault_proxy");
    return new FaultProxy(child, url, await addressAfter("control"));
  }

  /**
   * @param {string} path
   * @param {unknown} [body]
   */
  async #post(path, body) {
    const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const response = await fetch(this.#control + path, options);
    assert.ok(response.ok, `${path} answers ${response.status}: ${await response.text()}`);
  }

  /** @param {object[]} rules */
  setRules(rules) {
    return this.#post("/rules", rules);
  }

  /** @param {{ bandwidth?: number, stalled?: boolean, down?: boolean }} settings */
  setLink(settings) {
    return this.#post("/link", settings);
  }

  /** @param {string} url */
  setUpstream(url) {
    return this.#post("/upstream", { url });
  }

  reset() {
    return this.#post("/reset");
  }

  /**
   * All attempts of parts as one list, and the counts of calls and of faulted calls by kind.
   *
   * @returns {Promise<Log>}
   */
  async log() {
    /** @type {{ parts: Record<string, Omit<Attempt, "part">[]> } & Omit<Log, "attempts">} */
    const { parts, calls, faulted } = await (await fetch(`${this.#control}/log`)).json();
    const attempts = Object.entries(parts).flatMap(([part, attempts]) =>
      attempts.map((attempt) => ({ part: Number(part), ...attempt })),
    );
    return { attempts, calls, faulted };
  }

  async stop() {
    const exit = once(this.#child, "exit");
    this.#child.kill();
    await exit;
  }
}

/** A system behind its own proxy, for one upload at a time. */
export class ProxiedSystem {
  /**
   * @param {FaultProxy} proxy
   * @param {e2e.System} system
   */
  constructor(proxy, system) {
    this.proxy = proxy;
    this.system = system;
    this.uploaderUrl = `${proxy.url}/uploader.html`;
  }

  /** @param {string} site */
  static async start(site) {
    const proxy = await FaultProxy.start();
    const { url } = proxy;
    const system = await e2e.System.start({ UPLOAD_BASE_URL: url, CDN_BASE_URL: `${url}/cdn` }, site);
    await proxy.setUpstream(system.url);
    return new ProxiedSystem(proxy, system);
  }

  /** Restores the state before the first upload. */
  async clear() {
    await this.proxy.reset();
    for (const key of await this.system.keys("uploads", "")) {
      await this.system.aws("s3", `/uploads/${key}`, { method: "DELETE" });
    }
    for (const { id, key } of await this.system.openUploads()) {
      await this.system.aws("s3", `/uploads/${key}?uploadId=${encodeURIComponent(id)}`, { method: "DELETE" });
    }
  }

  async stop() {
    await this.system.stop();
    await this.proxy.stop();
  }
}

/** A fixed number of proxied systems, each used by one test at a time. */
export class SystemPool {
  #all;
  #free;
  /** @type {((proxied: ProxiedSystem) => void)[]} */
  #waiting = [];

  /** @param {ProxiedSystem[]} systems */
  constructor(systems) {
    this.#all = systems;
    this.#free = [...systems];
  }

  /**
   * @param {number} size
   * @param {string} site
   */
  static async start(size, site) {
    return new SystemPool(await Promise.all(Array.from({ length: size }, () => ProxiedSystem.start(site))));
  }

  /**
   * Runs `test` with a cleared system, as soon as one is free.
   *
   * @template T
   * @param {(proxied: ProxiedSystem) => Promise<T>} test
   */
  async use(test) {
    /** @type {ProxiedSystem} */
    const proxied = this.#free.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
    try {
      await proxied.clear();
      return await test(proxied);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(proxied);
      else this.#free.push(proxied);
    }
  }

  async stop() {
    await Promise.all(this.#all.map((proxied) => proxied.stop()));
  }
}

/**
 * Picks the file in an open tab and starts its upload.
 *
 * @param {Tab} tab
 * @param {TestFile} file
 * @param {Partial<UploadOptions>} [options]
 */
export async function startUpload(tab, { path }, options) {
  await tab.pickFile(path);
  await tab.evaluate((options) => /** @type {any} */ (globalThis).start(options), { partSize: 8 * MIB, ...options });
}

/**
 * @param {Tab} tab
 * @returns {Promise<Report>}
 */
const reportOf = (tab) => tab.evaluate(() => /** @type {any} */ (globalThis).report);

/**
 * Waits until more than this share of the file, 0 to 1, is reported as sent.
 *
 * @param {Tab} tab
 * @param {number} share
 */
export async function waitForProgress(tab, share) {
  await e2e.waitUntil(async () => {
    const { sent, error } = await reportOf(tab);
    assert.equal(error, null);
    return sent > share * FILE_SIZE;
  });
}

/**
 * Waits for the end of an upload; after `timeoutMs` fails with the upload's state.
 *
 * @param {Tab} tab
 * @param {ProxiedSystem} proxied
 * @param {number} timeoutMs
 */
export async function waitForEnd(tab, proxied, timeoutMs) {
  /** @type {Promise<Report>} */
  const finished = tab.evaluate(() => /** @type {any} */ (globalThis).finished);
  finished.catch(() => {});
  const timer = new AbortController();
  const report = await Promise.race([finished, sleep(timeoutMs, null, { signal: timer.signal })]);
  timer.abort();
  if (report) {
    assert.equal(report.error, null);
    return report;
  }
  const { state, sent, retries } = await reportOf(tab);
  const { attempts } = await proxied.proxy.log();
  const inFlight = attempts
    .filter(({ outcome }) => outcome === "in-flight")
    .map(({ part, fault }) => `part ${part} (${JSON.stringify(fault)})`);
  const last = retries.at(-1);
  throw new Error(
    `not finished after ${timeoutMs / 1000} s: ${state}, ${((sent / FILE_SIZE) * 100).toFixed(1)} % sent, ` +
      `in flight: ${inFlight.join(", ") || "nothing"}, last retry: ${last ? `part ${last.partNumber} for ${last.reason}` : "none"}`,
  );
}

/**
 * The bytes arrive in spite of this fault, so it doesn't justify sending them again.
 *
 * @param {Fault} fault
 */
const storesTheBytes = (fault) => typeof fault === "object" && fault["without-headers"] !== undefined;

/**
 * The number of bytes that were sent again, and how many of them without need. Sending again is justified after an
 * attempt that met a fault or was disconnected and, with `browserDisconnects`, after one that the browser dropped.
 *
 * @param {Log} log
 * @param {{ browserDisconnects?: boolean }} [options]
 */
export function resentBytes({ attempts }, { browserDisconnects = false } = {}) {
  const lost = (/** @type {Attempt} */ { fault, outcome }) =>
    (fault && !storesTheBytes(fault)) ||
    outcome === "disconnected" ||
    (browserDisconnects && outcome === "client-gone");
  const sum = (/** @type {Attempt[]} */ attempts) => attempts.reduce((sum, { received }) => sum + received, 0);
  const resent = sum(attempts) - FILE_SIZE;
  return { resent, needless: resent - sum(attempts.filter(lost)) };
}

/**
 * Checks that exactly the file is stored, once, that nothing is left open, that progress never decreased, and that no
 * byte was sent again without need.
 *
 * @param {ProxiedSystem} proxied
 * @param {Report} report
 * @param {TestFile} file
 * @param {{ browserDisconnects?: boolean }} [options]
 */
export async function assertStoredOnce(proxied, report, file, options) {
  assert.equal(report.decreases, 0, "`sent` never decreases");
  const keys = await proxied.system.keys("uploads", "inputs/");
  assert.equal(keys.length, 1, `expected one object, found ${keys}`);
  assert.ok(keys[0].startsWith(`inputs/${report.stored.videoId}.`), keys[0]);
  assert.equal(await proxied.system.storedSha256(report.stored.videoId), file.sha256, "the bytes of the file");
  assert.deepEqual(await proxied.system.openUploads(), [], "nothing is left open");
  const log = await proxied.proxy.log();
  assert.equal(log.calls.open, 1, "one upload was opened");
  const { resent, needless } = resentBytes(log, options);
  assert.ok(needless <= 0, `${needless} of ${resent} bytes were sent again without need: ${describeRetries(log)}`);
  return { resent, log };
}

/**
 * All attempts of the parts that had more than one, as text.
 *
 * @param {Log} log
 */
function describeRetries({ attempts }) {
  /** @type {Map<number, Attempt[]>} */
  const parts = new Map();
  for (const attempt of attempts) parts.set(attempt.part, [...(parts.get(attempt.part) ?? []), attempt]);
  const describe = (/** @type {Attempt} */ { outcome, fault, received }) =>
    `${outcome}${fault ? ` ${JSON.stringify(fault)}` : ""} after ${received}`;
  return [...parts]
    .filter(([, attempts]) => attempts.length > 1)
    .map(([part, attempts]) => `part ${part}: ${attempts.map(describe).join(", ")}`)
    .join("; ");
}
