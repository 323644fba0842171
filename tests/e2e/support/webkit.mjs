// WebKitGTK by its WebDriver, on a virtual display. Debian: `apt-get install webkit2gtk-driver xvfb`.

import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import * as e2e from "./index.mjs";

const DRIVER = "/usr/bin/WebKitWebDriver";
const DISPLAY = ":99";
const LIBRARIES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/** The browser of the driver's package. */
const miniBrowser = () =>
  LIBRARIES.filter(existsSync)
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name, "MiniBrowser")))
    .find((path) => path.includes("webkit2gtk") && existsSync(path));

export const isInstalled = () => existsSync(DRIVER) && existsSync("/usr/bin/Xvfb") && miniBrowser() !== undefined;

export class WebKit {
  #processes;
  #address;
  #session = "";

  /** @param {import("node:child_process").ChildProcess[]} processes @param {string} address */
  constructor(processes, address) {
    this.#processes = processes;
    this.#address = address;
  }

  static async start() {
    const display = spawn("Xvfb", [DISPLAY, "-screen", "0", "1280x1024x24"], { stdio: "ignore" });
    const port = await freePort();
    const env = { ...process.env, DISPLAY, LIBGL_ALWAYS_SOFTWARE: "1", WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1" };
    const driver = spawn(DRIVER, [`--port=${port}`], { env, stdio: "ignore" });
    const webkit = new WebKit([driver, display], `http://127.0.0.1:${port}`);
    const browserOptions = { binary: miniBrowser(), args: ["--automation"] };
    const capabilities = { alwaysMatch: { "webkitgtk:browserOptions": browserOptions } };
    // The driver takes a moment until it listens, the display until windows can open.
    await e2e.waitUntil(() => webkit.#open(capabilities).catch(() => false));
    await webkit.#call("POST", "/timeouts", { script: e2e.TIMEOUT_MS });
    return webkit;
  }

  /** @param {object} capabilities */
  async #open(capabilities) {
    const { sessionId } = await this.#call("POST", "", { capabilities });
    this.#session = `/${sessionId}`;
    return true;
  }

  /** @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} */
  async #call(method, path, body) {
    const url = `${this.#address}/session${this.#session}${path}`;
    const { value } = await (await fetch(url, { method, body: body && JSON.stringify(body) })).json();
    if (value?.error) throw new Error(`${value.error}: ${value.message}`);
    return value;
  }

  /** @param {string} url */
  goto(url) {
    return this.#call("POST", "/url", { url });
  }

  /**
   * The result of an async function that runs in the page.
   *
   * @param {(argument: any) => Promise<any>} script
   * @param {unknown} [argument]
   */
  evaluate(script, argument) {
    const call = `(${script})(arguments[0]).then(arguments[1], (error) => arguments[1]({ failure: String(error) }))`;
    return this.#call("POST", "/execute/async", { script: call, args: [argument ?? null] });
  }

  async close() {
    await this.#call("DELETE", "").catch(() => {});
    for (const child of this.#processes) child.kill();
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  await new Promise((closed) => server.close(closed));
  return port;
}
