// Installs the packed tarball in projects of site developers' tools, builds them, opens the result in headless Chromium
// and uploads 20 MB to the one-machine stack. `cargo xtask packaging [NAME]` runs it, with GRELOUPIS_LOCAL and
// GRELOUPIS_TARBALL. Prints one line for each: stored or not, and whether a worker sent it. A picture of each page at its end
// is left in target/packaging/NAME.png.
//
// A folder here is a project; `packaging` of its package.json says how it is built: `build`, and then `serve`, the folder
// to be served; or `start`, a server that takes `$PORT`, and `build` before it if there is one; or `test`, which needs no
// browser.

import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { clip, ROOT, requiredEnv, System, startBrowser, waitUntil } from "../e2e/support/index.mjs";

const run = promisify(execFile);
const HERE = join(ROOT, "tests/packaging");
const WORK = join(ROOT, "target/packaging");
const FILE_SIZE = 20_000_000;
const UPLOAD_TIMEOUT_MS = 60_000;
const TYPES = {
  ...{ ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css" },
  ...{ ".wasm": "application/wasm", ".json": "application/json", ".svg": "image/svg+xml" },
};
/** Of the stack; everything else is the project's. */
const STACK_PATHS = /^\/(api|inputs|cdn)\//;

/** @typedef {{ install?: boolean, build?: string, serve?: string, start?: string, test?: string, env?: Record<string, string> }} Project */

/** A real video, padded to the size. */
async function makeVideo() {
  const path = join(WORK, "video.mp4");
  const video = await readFile(await clip("short.mp4"));
  const header = Buffer.alloc(8);
  header.writeUInt32BE(FILE_SIZE - video.length);
  header.write("free", 4);
  await writeFile(path, Buffer.concat([video, header]));
  await truncate(path, FILE_SIZE);
  return path;
}

/**
 * One origin for the page and the stack, as a site has it behind its proxy.
 *
 * @param {() => { folder?: string, port?: number }} project
 * @param {() => string} stackUrl
 */
async function serve(project, stackUrl) {
  const server = createServer(async (incoming, outgoing) => {
    const { pathname } = new URL(incoming.url ?? "/", "http://page");
    const { folder, port } = project();
    if (STACK_PATHS.test(pathname)) return forward(incoming, outgoing, new URL(stackUrl()));
    if (port) return forward(incoming, outgoing, new URL(`http://127.0.0.1:${port}`));
    const path = join(folder ?? "", pathname.endsWith("/") ? `${pathname}index.html` : decodeURI(pathname));
    const body = await readFile(path).catch(() => undefined);
    const type = /** @type {Record<string, string>} */ (TYPES)[extname(path)] ?? "application/octet-stream";
    outgoing.writeHead(body ? 200 : 404, { "content-type": type });
    outgoing.end(body ?? "no such file");
  });
  // Next.js's development server starts the page only once its socket is connected.
  server.on("upgrade", (incoming, socket, head) => {
    const { port } = project();
    const onward = connect(port ?? 0, "127.0.0.1", () => {
      const lines = incoming.rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`));
      onward.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [onward, socket]) end.on("error", () => socket.destroy());
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}`, close: () => server.close().closeAllConnections() };
}

/**
 * @param {import("node:http").IncomingMessage} incoming
 * @param {import("node:http").ServerResponse} outgoing
 * @param {URL} to
 */
function forward(incoming, outgoing, to) {
  const { method, headers, url: path } = incoming;
  const onward = request({ host: to.hostname, port: to.port, method, path, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on("error", () => outgoing.writeHead(502).end());
  incoming.pipe(onward);
}

/** @param {string} name */
async function install(name) {
  const folder = join(WORK, name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await cp(join(HERE, name), folder, { recursive: true });
  const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const options = ["--no-fund", "--no-audit", "--loglevel=error", "--legacy-peer-deps", "--prefer-offline"];
  await run("npm", ["install", ...options, requiredEnv("GRELOUPIS_TARBALL")], { cwd: folder, maxBuffer: 1e8 });
  return { folder, project: /** @type {Project} */ (manifest.packaging) };
}

/** @param {string} command @param {string} cwd @param {Record<string, string>} [env] */
const shell = (command, cwd, env) =>
  run("sh", ["-c", `PATH="$PWD/node_modules/.bin:$PATH"; ${command}`], {
    cwd,
    env: { ...process.env, ...env },
    maxBuffer: 1e8,
  });

/** A free port for a project's own server. */
async function freePort() {
  const server = createServer();
  await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  await new Promise((closed) => server.close(closed));
  return port;
}

/**
 * @param {string} command
 * @param {string} cwd
 * @param {Record<string, string>} [env]
 */
async function start(command, cwd, env) {
  const port = await freePort();
  const options = { cwd, env: { ...process.env, ...env, PORT: String(port) }, detached: true };
  const child = spawn("sh", ["-c", `PATH="$PWD/node_modules/.bin:$PATH"; ${command}`], { ...options, stdio: "ignore" });
  await waitUntil(async () => (await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined))?.ok);
  // The whole group: such servers have children.
  return { port, stop: () => process.kill(-(/** @type {number} */ (child.pid)), "SIGKILL") };
}

/**
 * Chooses the file in the page's element and waits for its end.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @param {string} video
 * @param {string} picture the path of its picture
 */
async function uploadIn(browser, url, video, picture) {
  const page = await (await browser.newContext({ viewport: { width: 900, height: 700 } })).newPage();
  /** @type {string[]} */
  const said = [];
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && said.push(message.text()));
  try {
    await page.goto(url);
    const element = page.locator("greloupis-uploader");
    await page.waitForFunction(() => customElements.get("greloupis-uploader") !== undefined);
    await element.locator("input[type=file]").first().setInputFiles(video);
    const item = () =>
      element.evaluate((uploader) => ({ .../** @type {any} */ (uploader).queue.items[0], file: undefined }));
    let workers = 0;
    const deadline = Date.now() + UPLOAD_TIMEOUT_MS;
    const end = await waitUntil(async () => {
      workers = Math.max(workers, page.workers().length);
      const { videoId, error, state } = await item();
      if (Date.now() > deadline) return { videoId: undefined, error: { code: `stuck in ${state}`, message: "" } };
      return videoId || error ? { videoId, error } : undefined;
    });
    await page.screenshot({ path: picture });
    return { ...end, engine: workers > 0 ? "worker" : "page", said };
  } catch (error) {
    return { error: { code: "no element", message: String(error).split("\n")[0] }, engine: "", said };
  } finally {
    await page.context().close();
  }
}

/**
 * @param {string} name
 * @param {{ browser: import("playwright-core").Browser, system: System, video: string, front: { url: string }, place: { folder?: string, port?: number } }} parts
 */
async function tryProject(name, { browser, system, video, front, place }) {
  const started = Date.now();
  /** @type {{ port: number, stop(): void } | undefined} */
  let server;
  try {
    const { folder, project } = await install(name);
    if (project.test) {
      await shell(project.test, folder, project.env);
      return { name, ok: true, text: "its tests pass", said: [] };
    }
    if (project.build) await shell(project.build, folder, project.env);
    if (project.start) server = await start(project.start, folder, project.env);
    Object.assign(place, { folder: join(folder, project.serve ?? ""), port: server?.port });
    const { videoId, error, engine, said } = /** @type {any} */ (
      await uploadIn(browser, front.url, video, join(WORK, `${name}.png`))
    );
    const isStored = videoId && (await system.api(`/videos/${videoId}`)).size === FILE_SIZE;
    const seconds = Math.round((Date.now() - started) / 1000);
    if (isStored) return { name, ok: true, text: `stored, by the ${engine}, ${seconds} s`, said };
    return { name, ok: false, text: `${error?.code}: ${error?.message}`, said };
  } catch (error) {
    const { stderr = "", stdout = "", message } = /** @type {any} */ (error);
    return { name, ok: false, text: `${message.split("\n")[0]}\n${`${stdout}${stderr}`.slice(-1500)}`, said: [] };
  } finally {
    server?.stop();
  }
}

const names = process.argv.slice(2);
const all = (await readdir(HERE, { withFileTypes: true }))
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
await mkdir(WORK, { recursive: true });
const video = await makeVideo();
/** @type {{ folder?: string, port?: number }} */
const place = {};
let stackUrl = "";
const front = await serve(
  () => place,
  () => stackUrl,
);
if (!existsSync(join(WORK, "site"))) await mkdir(join(WORK, "site"));
const system = await System.start({ UPLOAD_BASE_URL: front.url }, join(WORK, "site"));
stackUrl = system.url;
const browser = await startBrowser();
let failed = 0;
try {
  for (const name of names.length > 0 ? names : all) {
    const { ok, text, said } = await tryProject(name, { browser, system, video, front, place });
    if (!ok) failed += 1;
    console.log(`${ok ? "ok    " : "FAILED"} ${name.padEnd(16)} ${text}`);
    for (const line of said) console.log(`       ${line.slice(0, 300)}`);
  }
} finally {
  await browser.close();
  await system.stop();
  front.close();
}
process.exitCode = failed > 0 ? 1 : 0;
