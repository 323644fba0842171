// `cargo xtask bench soak`: a light mixed load for many minutes on the whole system, with the packaged edge as a Lambda. Prints
// a row for each minute; fails if the memory of the edge or of the local server keeps growing, or if calls fail.
//
// Arguments: address of the local system · its process id · minutes · a short video · path of the JSON

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createCRC64 } from "hash-wasm";

/** CRC64NVME's polynomial. */
const POLYNOMIAL = "9a6c9329ac4bc9b5";
/** In milliseconds; low, so that the load leaves most of a core alone. */
const CALL_INTERVAL = 200;
const VIDEO_INTERVAL = 30_000;
const SAMPLE_INTERVAL = 2_000;
const MAX_IN_FLIGHT = 8;
/** Growth from the second quarter to the last that is no leak: allocators and caches fill up. */
const MAX_GROWTH_RATIO = 1.1;
const MAX_GROWTH_MB = 4;

const [base, pid, minutes, videoPath, resultPath] = process.argv.slice(2);
const hash = await createCRC64(POLYNOMIAL);
const checksumOf = (body) => Buffer.from(hash.init().update(body).digest("hex"), "hex").toString("base64");
const video = withChecksum(readFileSync(videoPath), "soak.mp4");
/** Not a video: its conversion fails. */
const invalid = withChecksum(Buffer.alloc(100_000, "greloupis"), "invalid.mp4");

const latencies = [];
const failures = new Map();
const samples = [];
const rows = [];
let lastReady;

const OPERATIONS = [
  () => call("GET", "/videos?limit=20"),
  () => upload(invalid),
  openAndAbort,
  () => call("GET", "/videos?limit=20"),
  revalidate,
  playlist,
  () => call("GET", "/videos/absent", undefined, [404]),
  () => call("POST", "/uploads/forged/complete", {}, [404]),
];

const start = performance.now();
const end = start + Number(minutes) * 60_000;
let [calls, nextVideo, nextSample, nextRow] = [0, start, start, start + 60_000];
const inFlight = new Set();
console.log("| minute | calls | p50, ms | p99, ms | edge, MB | local, MB | CPU, % of a core |");
console.log("| --- | --- | --- | --- | --- | --- | --- |");
let cpu = cpuSeconds();
for (let now = start; now < end; now = performance.now()) {
  if (inFlight.size < MAX_IN_FLIGHT) {
    const isVideo = now >= nextVideo;
    if (isVideo) nextVideo += VIDEO_INTERVAL;
    run(isVideo ? convert : OPERATIONS[calls++ % OPERATIONS.length]);
  }
  if (now >= nextSample) {
    nextSample += SAMPLE_INTERVAL;
    samples.push({ at: now - start, ...memory() });
  }
  if (now >= nextRow) {
    nextRow += 60_000;
    printRow();
  }
  await sleep(CALL_INTERVAL);
}
await Promise.all(inFlight);
printRow();

const growth = Object.fromEntries(["edge", "local"].map((name) => [name, grown(name)]));
const result = { minutes: Number(minutes), rows, growth, failures: Object.fromEntries(failures) };
writeFileSync(resultPath, `${JSON.stringify(result, null, 2)}\n`);
for (const [name, { before, after }] of Object.entries(growth)) {
  console.log(`\nmemory of ${name}: ${before.toFixed(1)} MB in the second quarter, ${after.toFixed(1)} MB in the last`);
}
if (failures.size > 0) console.error("failed calls:", Object.fromEntries(failures));
const leaks = Object.entries(growth).filter(
  ([, { before, after }]) => after > before * MAX_GROWTH_RATIO && after > before + MAX_GROWTH_MB,
);
if (leaks.length > 0) console.error(`memory grows: ${leaks.map(([name]) => name).join(", ")}`);
process.exitCode = leaks.length > 0 || failures.size > 0 ? 1 : 0;

/** Counts a failure under its message and goes on. */
function run(operation) {
  const began = performance.now();
  const done = operation()
    .catch((error) => failures.set(error.message, (failures.get(error.message) ?? 0) + 1))
    .finally(() => {
      latencies.push(performance.now() - began);
      inFlight.delete(done);
    });
  inFlight.add(done);
}

function withChecksum(body, fileName) {
  return { body, fileName, checksum: checksumOf(body) };
}

async function call(method, path, body, expected = [200, 201, 204, 304], headers = {}) {
  const response = await fetch(`${base}/api${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  // The path can have a token.
  if (!expected.includes(response.status)) throw new Error(`${method} /${path.split("/")[1]}: ${response.status}`);
  return { status: response.status, etag: response.headers.get("etag"), body: text ? JSON.parse(text) : undefined };
}

async function upload({ body, fileName, checksum }) {
  const request = { fileName, size: body.length, partSize: 8 << 20, checksums: [checksum] };
  const { body: opened } = await call("POST", "/uploads", request);
  const [{ url, headers }] = opened.parts;
  const stored = await fetch(url, { method: "PUT", headers, body });
  await stored.arrayBuffer();
  if (stored.status !== 200) throw new Error(`PUT of a part: ${stored.status}`);
  await call("GET", `/uploads/${opened.upload}`);
  await call("POST", `/uploads/${opened.upload}/complete`, { checksum });
  return opened.videoId;
}

async function openAndAbort() {
  const { body: opened } = await call("POST", "/uploads", { fileName: "a.mp4", size: 50 << 20 });
  const parts = [1, 2].map((partNumber) => ({ partNumber, checksum: invalid.checksum }));
  await call("POST", `/uploads/${opened.upload}/parts`, { parts });
  await call("DELETE", `/uploads/${opened.upload}`);
}

/** Uploads the video and polls it until its conversion ends, as a page does. */
async function convert() {
  const id = await upload(video);
  for (let etag; ; await sleep(2_000)) {
    const reply = await call("GET", `/videos/${id}`, undefined, [200, 304], etag ? { "if-none-match": etag } : {});
    etag = reply.etag ?? etag;
    if (reply.body?.status === "ready") {
      lastReady = reply;
      return;
    }
    if (reply.body?.status === "failed") throw new Error(`the conversion failed: ${reply.body.error?.code}`);
  }
}

async function revalidate() {
  if (!lastReady) return;
  const { body, etag } = lastReady;
  await call("GET", `/videos/${body.videoId}`, undefined, [304], { "if-none-match": etag });
}

async function playlist() {
  if (!lastReady) return;
  const response = await fetch(lastReady.body.urls.hls, { headers: { range: "bytes=0-99" } });
  await response.arrayBuffer();
  if (response.status !== 206) throw new Error(`range of a playlist: ${response.status}`);
}

/** All processes that the system has started and that still run. */
function tree() {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((id) => {
      try {
        const stat = readFileSync(`/proc/${id}/stat`, "latin1");
        const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, "latin1"));
        // Time of ended children is included: the conversions.
        const ticks = fields.slice(11, 15).reduce((total, field) => total + Number(field), 0);
        return [{ id, name, parent: fields[1], ticks, mb: resident ? (Number(resident[1]) * 1024) / 1e6 : 0 }];
      } catch {
        return []; // It has ended meanwhile.
      }
    });
  const found = new Set([pid]);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const { id, parent } of all) if (found.has(parent)) found.add(id);
  }
  return all.filter(({ id }) => found.has(id));
}

/** In MB: of the local server, and of one Lambda on average, as their number follows the load. */
function memory() {
  const processes = tree();
  const edges = processes.filter(({ name }) => name === "bootstrap");
  const edge = edges.reduce((total, { mb }) => total + mb, 0) / Math.max(edges.length, 1);
  return { edge, local: processes.find(({ id }) => id === pid)?.mb ?? 0 };
}

function cpuSeconds() {
  return tree().reduce((total, { ticks }) => total + ticks / 100, 0);
}

function printRow() {
  const sorted = latencies.splice(0).sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  const now = cpuSeconds();
  const row = { minute: rows.length + 1, calls: sorted.length, p50: at(0.5), p99: at(0.99), ...memory() };
  // In percent, from seconds of the past minute.
  row.cpu = ((now - cpu) / 60) * 100;
  cpu = now;
  rows.push(row);
  const numbers = [row.p50, row.p99, row.edge, row.local, row.cpu].map((value) => value.toFixed(1));
  console.log(`| ${row.minute} | ${row.calls} | ${numbers.join(" | ")} |`);
}

/** The medians of the second and of the last quarter. */
function grown(name) {
  const quarter = (index) => {
    const length = (end - start) / 4;
    const within = samples.filter(({ at }) => at >= index * length && at < (index + 1) * length);
    return within.map((sample) => sample[name]).sort((a, b) => a - b)[within.length >> 1] ?? 0;
  };
  return { before: quarter(1), after: quarter(3) };
}
