// `cargo xtask bench upload`: one file from disk, picked in headless Chromium, sent to a server that drains it.
// Contestants take turns; each turn has a fresh browser. Prints a table and writes the numbers as JSON.
//
// Arguments: sink's address · a proxy before it, and where that is told its bandwidth · folder of the packed
// uploader · folder for files · where to write the JSON

import { randomFillSync } from "node:crypto";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { launch } from "./browser.mjs";
import { processes, renderer, sum } from "./processes.mjs";

const MIB = 2 ** 20;
const [sink, line, control, uploader, folder, result] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));

/** What is sent, how, and by whom. lib-storage gets a file that it can manage. */
const ROUNDS = Number(process.env.ROUNDS ?? 3);
const chosen = (list, names) => list.filter(({ name }) => !names || names.split(",").includes(name));
const SETTINGS = chosen(
  [
    { name: "plain", base: `${sink}/plain`, size: 1024 * MIB },
    { name: "100 ms on every request", base: `${sink}/delay-100`, size: 256 * MIB },
    { name: "100 Mbit/s", base: `${line}/plain`, size: 128 * MIB, rounds: 1, only: ["one raw XHR", "ours"] },
    // For its memory; nobody else needs to wait for it.
    { name: "20 GiB", base: `${sink}/plain`, size: 20 * 1024 * MIB, rounds: 1, sparse: true, only: ["ours"] },
  ],
  process.env.SETTINGS,
);
const CONTESTANTS = chosen(
  [
    { name: "one raw XHR", file: "one.js" },
    { name: "six raw XHRs of 32 MiB", file: "raw.js" },
    { name: "ours", file: "ours.js" },
    { name: "Uppy 5.1", file: "uppy5.js", alias: { "@uppy/core": "uppy5-core" } },
    { name: "Uppy 6.3", file: "uppy6.js", alias: { "@uppy/core": "uppy6-core" } },
    { name: "lib-storage", file: "lib-storage.js", size: 64 * MIB, rounds: 1 },
  ],
  process.env.ONLY,
);
const LIMIT = "six raw XHRs of 32 MiB";

const slow = {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ bandwidth: 12_500_000 }),
};
if (!(await fetch(`${control}/link`, slow)).ok) throw new Error("The proxy refuses its bandwidth.");
const page = await servePage();
const turns = [];
for (const setting of SETTINGS) {
  for (let round = 0; round < ROUNDS; round++) {
    for (const contestant of CONTESTANTS.filter(({ name }) => setting.only?.includes(name) ?? true)) {
      if (round >= Math.min(contestant.rounds ?? ROUNDS, setting.rounds ?? ROUNDS)) continue;
      const turn = await take(setting, contestant);
      turns.push(turn);
      console.error(`${setting.name} · ${contestant.name}: ${turn.mbPerSecond.toFixed(0)} MB/s`);
    }
  }
}
page.close();
report();

/** One contestant's turn: a fresh browser, the file picked, sent, and what it cost. */
async function take(setting, contestant) {
  const size = Math.min(contestant.size ?? Infinity, setting.size);
  const path = makeFile(size, setting.sparse);
  const browser = await launch(process.env.CHROMIUM);
  try {
    await browser.open(`${page.url}/?${contestant.file}`);
    await browser.pick("input", path);
    const [before, seen] = [processes(browser.pid), await look()];
    const measured = await browser.evaluate(`measure(${JSON.stringify(setting.base)})`);
    const [after, now] = [processes(browser.pid), await look()];
    return {
      setting: setting.name,
      contestant: contestant.name,
      megabytes: size / 1e6,
      mbPerSecond: size / 1e6 / measured.seconds,
      ...measured,
      cpuSeconds: sum(after, "cpu") - sum(before, "cpu"),
      rendererPeakMb: renderer(after) / 1e6,
      rendererIdleMb: renderer(before) / 1e6,
      preflights: now.preflights - seen.preflights,
      puts: now.puts - seen.puts,
    };
  } finally {
    await browser.close();
  }
}

async function look() {
  return (await fetch(`${sink}/inspect`)).json();
}

/** A file of random bytes, or one that is all holes; made once. */
function makeFile(size, sparse) {
  const path = join(folder, `${size / MIB}MiB.mp4`);
  if (existsSync(path) && statSync(path).size === size) return path;
  mkdirSync(folder, { recursive: true });
  const piece = Buffer.alloc(16 * MIB);
  const file = openSync(path, "w");
  if (sparse) {
    ftruncateSync(file, size);
    closeSync(file);
    return path;
  }
  for (let at = 0; at < size; at += piece.length)
    writeSync(file, randomFillSync(piece), 0, Math.min(piece.length, size - at));
  closeSync(file);
  return path;
}

/** The page, on another origin than the sink's, as a site is on another than S3. */
async function servePage() {
  const out = join(folder, "page");
  for (const { file, alias } of CONTESTANTS) {
    await build({
      entryPoints: [join(here, "uploaders", file)],
      outfile: join(out, file),
      bundle: true,
      format: "esm",
      minify: true,
      define: { global: "globalThis" },
      alias: { ...alias, "@greloupis/uploader": "/vendor/uploader/index.js" },
      external: ["/vendor/*"],
      logLevel: "error",
    });
  }
  const types = { ".js": "text/javascript", ".wasm": "application/wasm" };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://page");
    if (pathname === "/")
      return response.setHeader("content-type", "text/html").end(readFileSync(join(here, "page.html")));
    const file = pathname.startsWith("/vendor/uploader/") ? join(uploader, pathname.slice(17)) : join(out, pathname);
    if (!existsSync(file)) return response.writeHead(404).end();
    response.setHeader("content-type", types[extname(file)] ?? "text/plain").end(readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** The median turn of each contestant, and all turns as JSON. */
function report() {
  const rows = [];
  for (const { name: setting } of SETTINGS) {
    const median = (contestant) => {
      const list = turns.filter((turn) => turn.setting === setting && turn.contestant === contestant);
      return list.sort((a, b) => a.mbPerSecond - b.mbPerSecond)[list.length >> 1];
    };
    const speed = (name) => median(name)?.mbPerSecond;
    for (const { name } of CONTESTANTS) {
      const turn = median(name);
      if (!turn) continue;
      rows.push({ ...turn, ofSix: turn.mbPerSecond / speed(LIMIT), ofOne: turn.mbPerSecond / speed("one raw XHR") });
    }
  }
  writeFileSync(result, `${JSON.stringify({ rows, turns }, null, 2)}\n`);
  const ratio = (value) => (Number.isFinite(value) ? value.toFixed(2) : "–");
  const columns = [
    ["", (row) => row.contestant],
    ["MB", (row) => row.megabytes.toFixed(0)],
    ["MB/s", (row) => row.mbPerSecond.toFixed(0)],
    ["of one XHR", (row) => ratio(row.ofOne)],
    ["of six", (row) => ratio(row.ofSix)],
    ["CPU s", (row) => row.cpuSeconds.toFixed(1)],
    ["renderer's peak, MB", (row) => `${row.rendererPeakMb.toFixed(0)} (idle ${row.rendererIdleMb.toFixed(0)})`],
    ["long tasks (longest, ms)", (row) => `${row.longTasks} (${row.longest.toFixed(0)})`],
    ["preflights", (row) => row.preflights],
    ["requests", (row) => row.puts],
  ];
  for (const { name: setting } of SETTINGS) {
    console.log(`\n${setting}\n`);
    console.log(`| ${columns.map(([title]) => title).join(" | ")} |`);
    console.log(`| ${columns.map(() => "---").join(" | ")} |`);
    for (const row of rows.filter((row) => row.setting === setting)) {
      console.log(`| ${columns.map(([, cell]) => cell(row)).join(" | ")} |`);
    }
  }
}
