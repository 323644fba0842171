// A headless Chromium with one tab, driven by the DevTools protocol over a pipe. Test drivers enable network events,
// for which Chromium copies every body that a page sends; that slows some uploaders tenfold. This one doesn't.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Starts a browser with a fresh profile.
 *
 * @param {string} executable
 */
export async function launch(executable) {
  const profile = mkdtempSync(join(tmpdir(), "bench-"));
  const args = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run"];
  const child = spawn(executable, [...args, "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const commands = /** @type {import("node:stream").Writable} */ (child.stdio[3]);
  const events = /** @type {import("node:stream").Readable} */ (child.stdio[4]);
  const waiting = new Map();
  let rest = "";
  events.setEncoding("utf8").on("data", (text) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop() ?? "";
    for (const message of messages) {
      const { id, result, error } = JSON.parse(message);
      const pending = waiting.get(id);
      waiting.delete(id);
      if (error) pending?.reject(new Error(error.message));
      else pending?.resolve(result);
    }
  });
  // A write error means that the browser has exited.
  commands.on("error", () => {});
  let last = 0;
  /**
   * @param {string} method
   * @param {object} [params]
   * @param {string} [sessionId]
   * @returns {Promise<any>}
   */
  const send = (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      exited.then(() => reject(new Error("the browser has exited")));
      commands.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    });

  const { targetInfos } = await send("Target.getTargets");
  const { targetId } = targetInfos.find((/** @type {{ type: string }} */ { type }) => type === "page");
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const evaluate = async (/** @type {string} */ expression) => {
    const { result, exceptionDetails } = await send(
      "Runtime.evaluate",
      { expression, awaitPromise: true, returnByValue: true },
      sessionId,
    );
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };

  return {
    pid: child.pid ?? 0,
    evaluate,
    /**
     * Opens a page that sets `globalThis.loaded`, a promise.
     *
     * @param {string} url
     */
    async open(url) {
      await send("Page.navigate", { url }, sessionId);
      while (!(await evaluate("globalThis.loaded !== undefined").catch(() => false)));
      await evaluate("globalThis.loaded");
    },
    /**
     * Sets the file of an input.
     *
     * @param {string} selector
     * @param {string} path
     */
    async pick(selector, path) {
      const { root } = await send("DOM.getDocument", {}, sessionId);
      const { nodeId } = await send("DOM.querySelector", { nodeId: root.nodeId, selector }, sessionId);
      await send("DOM.setFileInputFiles", { files: [path], nodeId }, sessionId);
    },
    async close() {
      send("Browser.close").catch(() => {});
      await exited;
      rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
