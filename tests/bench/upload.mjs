// `cargo xtask bench upload`: one file from disk, sent by headless Chromium to the fake server. Uploaders take turns,
// each with a new browser. Prints a table and writes the numbers as JSON.
//
// Arguments: address of the fake server · of the fault proxy in front of it · of the proxy's control port · folder of
// the packed uploader · folder for files · path of the JSON

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
import { processes, rendererPeakMemory, sum } from "./processes.mjs";

const MIB = 2 ** 20;
const [fakeServer, proxy, control, uploaderPackage, folder, resultPath] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));

const ROUNDS = Number(process.env.ROUNDS ?? 3);
const selected = (list, names) => list.filter(({ name }) => !names || names.split(",").includes(name));
const SETTINGS = selected(
  [
    { name: "plain", base: `${fakeServer}/plain`, size: 1024 * MIB },
    { name: "100 ms on every request", base: `${fakeServer}/delay-100`, size: 256 * MIB },
    { name: "100 Mbit/s", base: `${proxy}/plain`, size: 128 * MIB, rounds: 1, only: ["one raw XHR", "greloupis"] },
    // For peak memory.
    {
      name: "20 GiB",
      base: `${fakeServer}/plain`,
      size: 20 * 1024 * MIB,
      rounds: 1,
      sparse: true,
      only: ["greloupis"],
    },
  ],
  process.env.SETTINGS,
);
const UPLOADERS = selected(
  [
    { name: "one raw XHR", file: "one_xhr.js" },
    { name: "six raw XHRs of 32 MiB", file: "six_xhrs.js" },
    { name: "greloupis", file: "greloupis.js" },
    { name: "Uppy 5.1", file: "uppy5.js", alias: { "@uppy/core": "uppy5-core" } },
    { name: "Uppy 6.3", file: "uppy6.js", alias: { "@uppy/core": "uppy6-core" } },
    // A smaller file: its checksum is slow.
    { name: "lib-storage", file: "lib-storage.js", size: 64 * MIB, rounds: 1 },
  ],
  process.env.ONLY,
);
const REFERENCE = "six raw XHRs of 32 MiB";

const slow = {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ bandwidth: 12_500_000 }),
};
if (!(await fetch(`${control}/link`, slow)).ok) throw new Error("The proxy rejects the bandwidth.");
const page = await servePage();
const turns = [];
for (const setting of SETTINGS) {
  for (let round = 0; round < ROUNDS; round++) {
    for (const uploader of UPLOADERS.filter(({ name }) => setting.only?.includes(name) ?? true)) {
      if (round >= Math.min(uploader.rounds ?? ROUNDS, setting.rounds ?? ROUNDS)) continue;
      const turn = await measureTurn(setting, uploader);
      turns.push(turn);
      console.error(`${setting.name} · ${uploader.name}: ${turn.mbPerSecond.toFixed(0)} MB/s`);
    }
  }
}
page.close();
report();

/** Measures one turn of an uploader in a new browser. */
async function measureTurn(setting, uploader) {
  const size = Math.min(uploader.size ?? Infinity, setting.size);
  const path = makeFile(size, setting.sparse);
  const browser = await launch(process.env.CHROMIUM);
  try {
    await browser.open(`${page.url}/?${uploader.file}`);
    await browser.pick("input", path);
    const [before, countsBefore] = [processes(browser.pid), await requestCounts()];
    const measured = await browser.evaluate(`measure(${JSON.stringify(setting.base)})`);
    const [after, countsAfter] = [processes(browser.pid), await requestCounts()];
    return {
      setting: setting.name,
      uploader: uploader.name,
      megabytes: size / 1e6,
      mbPerSecond: size / 1e6 / measured.seconds,
      ...measured,
      cpuSeconds: sum(after, "cpu") - sum(before, "cpu"),
      rendererPeakMb: rendererPeakMemory(after) / 1e6,
      rendererIdleMb: rendererPeakMemory(before) / 1e6,
      preflights: countsAfter.preflights - countsBefore.preflights,
      puts: countsAfter.puts - countsBefore.puts,
    };
  } finally {
    await browser.close();
  }
}

async function requestCounts() {
  return (await fetch(`${fakeServer}/inspect`)).json();
}

/** A file of random bytes, or a sparse one; made once. */
function makeFile(size, sparse) {
  const path = join(folder, `${size / MIB}MiB.mp4`);
  if (existsSync(path) && statSync(path).size === size) return path;
  mkdirSync(folder, { recursive: true });
  const chunk = Buffer.alloc(16 * MIB);
  const file = openSync(path, "w");
  if (sparse) {
    ftruncateSync(file, size);
    closeSync(file);
    return path;
  }
  for (let offset = 0; offset < size; offset += chunk.length) {
    writeSync(file, randomFillSync(chunk), 0, Math.min(chunk.length, size - offset));
  }
  closeSync(file);
  return path;
}

/** Serves the page, on another origin than the fake server's, as a site's and S3's differ. */
async function servePage() {
  const out = join(folder, "page");
  for (const { file, alias } of UPLOADERS) {
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
    const file = pathname.startsWith("/vendor/uploader/")
      ? join(uploaderPackage, pathname.slice(17))
      : join(out, pathname);
    if (!existsSync(file)) return response.writeHead(404).end();
    response.setHeader("content-type", types[extname(file)] ?? "text/plain").end(readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** Prints the median turn of each uploader and writes all turns. */
function report() {
  const rows = [];
  for (const { name: setting } of SETTINGS) {
    const median = (uploader) => {
      const list = turns.filter((turn) => turn.setting === setting && turn.uploader === uploader);
      return list.sort((a, b) => a.mbPerSecond - b.mbPerSecond)[list.length >> 1];
    };
    const speed = (name) => median(name)?.mbPerSecond;
    for (const { name } of UPLOADERS) {
      const turn = median(name);
      if (!turn) continue;
      rows.push({
        ...turn,
        ofSix: turn.mbPerSecond / speed(REFERENCE),
        ofOne: turn.mbPerSecond / speed("one raw XHR"),
      });
    }
  }
  writeFileSync(resultPath, `${JSON.stringify({ rows, turns }, null, 2)}\n`);
  const ratio = (value) => (Number.isFinite(value) ? value.toFixed(2) : "–");
  const columns = [
    ["", (row) => row.uploader],
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
