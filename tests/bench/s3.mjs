// `cargo xtask bench s3`: parts from one client on loopback to the local S3 endpoint, and in turns to the fake server,
// which doesn't store them; then 10 GiB to the endpoint, for its peak memory.
//
// Arguments: address of the fake server · address of the local system · its process id · path of the JSON

import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { createCRC64 } from "hash-wasm";

const MIB = 2 ** 20;
const CONNECTIONS = 6;
const ROUNDS = 5;
/** CRC64NVME's polynomial. */
const POLYNOMIAL = "9a6c9329ac4bc9b5";
const PARTS_PER_CALL = 100;
const [fakeServer, local, pid, resultPath] = process.argv.slice(2);
const targets = { "fake server": `${fakeServer}/plain`, "local S3": local };
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

const rows = [];
for (const partSize of [8 * MIB, 32 * MIB]) {
  const turns = { "fake server": [], "local S3": [] };
  // The first round warms up connections and the page cache.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, base] of Object.entries(targets)) {
      const speed = await send(base, partSize, 1024 * MIB);
      if (round > 0) turns[name].push(speed);
    }
  }
  const [drained, stored] = Object.values(turns).map((list) => list.sort((a, b) => a - b)[list.length >> 1]);
  rows.push({
    partMib: partSize / MIB,
    fakeServerMbPerSecond: drained,
    s3MbPerSecond: stored,
    ratio: stored / drained,
  });
}
const mbPerSecond = await send(local, 8 * MIB, 10_240 * MIB);
const peakMb = (Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]) * 1024) / 1e6;
writeFileSync(
  resultPath,
  `${JSON.stringify({ rows, long: { megabytes: (10_240 * MIB) / 1e6, mbPerSecond, peakMb } }, null, 2)}\n`,
);

console.log("| part size | fake server, MB/s | local S3, MB/s | ratio |\n| --- | --- | --- | --- |");
for (const row of rows) {
  const speeds = [row.fakeServerMbPerSecond, row.s3MbPerSecond].map((speed) => speed.toFixed(0));
  console.log(`| ${row.partMib} MiB | ${speeds.join(" | ")} | ${row.ratio.toFixed(2)} |`);
}
console.log(
  `\n10 GiB in parts of 8 MiB: ${mbPerSecond.toFixed(0)} MB/s; peak memory of the whole local process ${peakMb.toFixed(0)} MB`,
);
agent.destroy();

/** Sends `size` bytes in equal parts, then aborts the upload; returns MB/s, opening and signing excluded. */
async function send(base, partSize, size) {
  const body = Buffer.alloc(partSize, "greloupis");
  const hash = await createCRC64(POLYNOMIAL);
  const checksum = Buffer.from(hash.init().update(body).digest("hex"), "hex").toString("base64");
  const opened = await call(base, "POST", "/uploads", { fileName: "bench.mp4", size, partSize });
  const signed = [];
  for (let first = 1; first <= opened.partCount; first += PARTS_PER_CALL) {
    const count = Math.min(PARTS_PER_CALL, opened.partCount + 1 - first);
    const wanted = Array.from({ length: count }, (_, index) => ({ partNumber: first + index, checksum }));
    const { parts } = await call(base, "POST", `/uploads/${opened.upload}/parts`, { parts: wanted });
    signed.push(...parts);
  }
  const start = performance.now();
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      for (let part = signed.pop(); part; part = signed.pop()) await put(part, body);
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  await call(base, "DELETE", `/uploads/${opened.upload}`);
  return size / 1e6 / seconds;
}

function put(part, body) {
  return new Promise((resolve, reject) => {
    const headers = { ...part.headers, "content-length": body.length };
    const sent = request(part.url, { method: "PUT", agent, headers }, (response) => {
      response
        .resume()
        .on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error(`${response.statusCode}`))));
    });
    sent.on("error", reject).end(body);
  });
}

async function call(base, method, path, body) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${base}/api${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
  return response.status === 204 ? undefined : response.json();
}
