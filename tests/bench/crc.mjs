// `cargo xtask bench crc`: CRC64NVME in headless Chromium, this project's as in the package. Prints a table and
// writes the numbers as JSON.
//
// Arguments: folder of the wasm build with the feature `bench` · path of the JSON

import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { launch } from "./browser.mjs";

const MIB = 2 ** 20;
const PLAN = { size: 256 * MIB, turn: 16 * MIB, rounds: Number(process.env.ROUNDS ?? 5) };
const [wasmBuild, resultPath] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));

const page = await servePage();
const browser = await launch(process.env.CHROMIUM);
try {
  await browser.open(`${page.url}/?crc.js`);
  report(await browser.evaluate(`import("/crc.js").then(({ measure }) => measure(${JSON.stringify(PLAN)}))`));
} finally {
  await browser.close();
  page.close();
}

async function servePage() {
  const { outputFiles } = await build({
    entryPoints: [join(here, "uploaders/crc.js")],
    bundle: true,
    format: "esm",
    minify: true,
    write: false,
    external: ["/vendor/*"],
    logLevel: "error",
  });
  const files = {
    "/": () => readFileSync(join(here, "page.html")),
    "/crc.js": () => outputFiles[0].contents,
    "/vendor/bindings.js": () => readFileSync(join(wasmBuild, "glue/bindings.js")),
    "/vendor/uploader.wasm": () => readFileSync(join(wasmBuild, "package/uploader.wasm")),
  };
  const types = { "": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://page");
    if (!Object.hasOwn(files, pathname)) return response.writeHead(404).end();
    // Only cross-origin isolated pages have a clock of 5 µs; others have 100 µs.
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    response.setHeader("content-type", types[extname(pathname)]).end(files[pathname]());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** Prints the median of each implementation and writes all turns. All digests must be equal. */
function report(results) {
  for (const { name, digests } of results) {
    if (String(digests) !== String(results[0].digests)) throw new Error(`${name} has another digest: ${digests}`);
  }
  const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
  const rows = results.map(({ name, speeds }) => {
    const mbPerSecond = median(speeds) / 1e6;
    return { name, mbPerSecond, speedup: median(results[0].speeds) / median(speeds) };
  });
  writeFileSync(resultPath, `${JSON.stringify({ ...PLAN, rows, turns: results }, null, 2)}\n`);
  console.log(`\nCRC64NVME of ${PLAN.size / MIB} MiB, median of ${results[0].speeds.length} turns\n`);
  console.log("| | MB/s | speedup of greloupis |");
  console.log("| --- | --- | --- |");
  for (const { name, mbPerSecond, speedup } of rows) {
    console.log(`| ${name} | ${mbPerSecond.toFixed(0)} | ${speedup.toFixed(2)} |`);
  }
}
