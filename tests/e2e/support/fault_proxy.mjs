// A whole system behind the fault proxy, and what a test asks of both: one upload under rules, then the proof
// that exactly the file's bytes are stored, once, and that none was sent more often than it had to be.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, cp, mkdtemp, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import * as e2e from "./system.mjs";

export const MIB = 2 ** 20;

/** In bytes, of the file that is sent. */
export const SIZE = 100_000_000;

/** The file, and its sum; made once and kept. Nothing can guess or squeeze its bytes. */
export async function file() {
  const path = join(await e2e.folder("inputs"), "random.bin");
  if (!existsSync(path)) {
    const half = await open(`${path}.half`, "w");
    for (let left = SIZE; left > 0; left -= 10_000_000) await half.write(randomBytes(Math.min(left, 10_000_000)));
    await half.close();
    await rename(`${path}.half`, path);
  }
  return { path, sum: await e2e.sha256(path) };
}

/** The site with a page more: `uploader.html`, the uploader and nothing else. */
export async function uploaderPages() {
  const pages = await mkdtemp(join(await e2e.folder("pages"), "uploader-"));
  await cp(e2e.site(), pages, { recursive: true });
  await copyFile(join(e2e.ROOT, "tests/e2e/support/uploader.html"), join(pages, "uploader.html"));
  return pages;
}

/** The proxy of tests/proxy; what can be told to it stands there. */
export class Proxy {
  #child;
  #control;

  static async start() {
    const proxy = new Proxy();
    const child = spawn(e2e.given("GRELOUPIS_FAULT_PROXY"), { stdio: ["ignore", "pipe", "inherit"] });
    proxy.#child = child;
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const after = async (word) => (await lines.next()).value.slice(`${word} `.length);
    proxy.url = await after("fault_proxy");
    proxy.#control = await after("control");
    return proxy;
  }

  async tell(path, body) {
    const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const answer = await fetch(this.#control + path, options);
    assert.ok(answer.ok, `${path} answers ${answer.status}: ${await answer.text()}`);
  }

  rules(rules) {
    return this.tell("/rules", rules);
  }

  line(setting) {
    return this.tell("/line", setting);
  }

  /** All tries of parts as one list, and how often which call came. */
  async log() {
    const { parts, calls, faulted } = await (await fetch(`${this.#control}/log`)).json();
    const tries = Object.entries(parts).flatMap(([part, tries]) => tries.map((one) => ({ part: Number(part), ...one })));
    return { tries, calls, faulted };
  }

  async stop() {
    const exit = once(this.#child, "exit");
    this.#child.kill();
    await exit;
  }
}

/** A system behind a proxy, for one upload at a time. */
export class Lane {
  static async start(pages) {
    const lane = new Lane();
    lane.proxy = await Proxy.start();
    const { url } = lane.proxy;
    lane.system = await e2e.System.start({ UPLOAD_BASE_URL: url, CDN_BASE_URL: `${url}/cdn` }, pages);
    await lane.proxy.tell("/upstream", { url: lane.system.url });
    lane.page = `${url}/uploader.html`;
    return lane;
  }

  /** Everything as before the first upload. */
  async clear() {
    await this.proxy.tell("/reset");
    for (const key of await this.system.keys("uploads", "")) await this.system.aws("s3", `/uploads/${key}`, { method: "DELETE" });
    for (const { id, key } of await this.system.openUploads()) {
      await this.system.aws("s3", `/uploads/${key}?uploadId=${encodeURIComponent(id)}`, { method: "DELETE" });
    }
  }

  async stop() {
    await this.system.stop();
    await this.proxy.stop();
  }
}

/** Hands lanes out, one to each who asks, as they become free. */
export class Lanes {
  #free = [];
  #waiting = [];

  static async start(count, pages) {
    const lanes = new Lanes();
    lanes.all = await Promise.all(Array.from({ length: count }, () => Lane.start(pages)));
    lanes.#free = [...lanes.all];
    return lanes;
  }

  async with(work) {
    const lane = this.#free.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
    try {
      await lane.clear();
      return await work(lane);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(lane);
      else this.#free.push(lane);
    }
  }

  async stop() {
    await Promise.all(this.all.map((lane) => lane.stop()));
  }
}

/** Picks the file in an opened tab and starts. */
export async function start(tab, { path }, options) {
  await tab.pick(path);
  await tab.evaluate((options) => globalThis.start(options), { partSize: 8 * MIB, ...options });
}

/** What the page has been told so far. */
export const told = (tab) => tab.evaluate(() => globalThis.told);

/** Waits until so much of the file, 0 to 1, is said to be sent. */
export async function sentMoreThan(tab, share) {
  await e2e.until(async () => {
    const { sent, error } = await told(tab);
    assert.equal(error, null);
    return sent > share * SIZE;
  });
}

/** Waits for the end of an upload; one that has none after `patience` milliseconds fails, and says how it stands. */
export async function finished(tab, lane, patience) {
  const ended = tab.evaluate(() => globalThis.finished);
  ended.catch(() => {});
  const late = new AbortController();
  const end = await Promise.race([ended, sleep(patience, null, { signal: late.signal })]);
  late.abort();
  if (end) {
    assert.equal(end.error, null);
    return end;
  }
  const { state, sent, retries } = await told(tab);
  const { tries } = await lane.proxy.log();
  const open = tries.filter((one) => one.outcome === "flying").map((one) => `part ${one.part} (${JSON.stringify(one.fault)})`);
  const last = retries.at(-1);
  throw new Error(
    `no end after ${patience / 1000} s: ${state}, ${((sent / SIZE) * 100).toFixed(1)} % sent, ` +
      `in flight: ${open.join(", ") || "nothing"}, last retry: ${last ? `part ${last.partNumber} for ${last.reason}` : "none"}`,
  );
}

/** Faults of which the bytes arrive all the same: they justify no second sending. */
const HARMLESS = (fault) => fault?.without !== undefined;

/**
 * How many bytes were sent again, and how many of them without need. Sent in vain are the bytes of a try that
 * met a fault or a cut connection, and, where `left` says so, of those that the browser dropped.
 */
export function resent({ tries }, { left = false } = {}) {
  const vain = (one) => (one.fault && !HARMLESS(one.fault)) || one.outcome === "cut" || (left && one.outcome === "left");
  const sum = (some) => some.reduce((sum, one) => sum + one.received, 0);
  const again = sum(tries) - SIZE;
  return { again, needless: again - sum(tries.filter(vain)) };
}

/** Exactly the file is stored, once; nothing is left open; nothing went back; no byte was sent without need. */
export async function assertStored(lane, end, { sum }, why) {
  assert.equal(end.stepsBack, 0, "`sent` never goes back");
  const keys = await lane.system.keys("uploads", "inputs/");
  assert.equal(keys.length, 1, `one object, not ${keys}`);
  assert.ok(keys[0].startsWith(`inputs/${end.stored.videoId}.`), keys[0]);
  assert.equal(await lane.system.storedSha256(end.stored.videoId), sum, "the bytes of the file");
  assert.deepEqual(await lane.system.openUploads(), [], "nothing is left open");
  const log = await lane.proxy.log();
  assert.equal(log.calls.open, 1, "one upload was opened");
  const { again, needless } = resent(log, why);
  assert.ok(needless <= 0, `${needless} of ${again} bytes were sent again without need: ${story(log)}`);
  return { again, log };
}

/** The tries of every part that had more than one, for people. */
function story({ tries }) {
  const parts = new Map();
  for (const one of tries) parts.set(one.part, [...(parts.get(one.part) ?? []), one]);
  const words = (one) => `${one.outcome}${one.fault ? ` ${JSON.stringify(one.fault)}` : ""} after ${one.received}`;
  return [...parts].filter(([, tries]) => tries.length > 1).map(([part, tries]) => `part ${part}: ${tries.map(words).join(", ")}`).join("; ");
}

export async function removePages(pages) {
  await rm(pages, { recursive: true, force: true });
}
