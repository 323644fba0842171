// The results of a fault suite, fault × browser: printed as a table and written as JSON.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { testFolder } from "./files.mjs";

/** @typedef {{ ok: boolean, seconds: number, cost?: string, error?: string }} Result */

export class Report {
  #name;
  /** @type {Map<string, Record<string, Result>>} */
  #rows = new Map();
  /** @type {Set<string>} */
  #browsers = new Set();

  /**
   * The JSON is written to `target/e2e/NAME.json`.
   *
   * @param {string} name
   */
  constructor(name) {
    this.#name = name;
  }

  /**
   * Runs one test and records its result and duration; `run` returns a few words about its cost.
   *
   * @param {string} fault
   * @param {string} browser
   * @param {() => Promise<string>} run
   */
  async measure(fault, browser, run) {
    const start = performance.now();
    const record = (/** @type {Omit<Result, "seconds">} */ result) => {
      const seconds = Number(((performance.now() - start) / 1000).toFixed(1));
      this.#browsers.add(browser);
      this.#rows.set(fault, { ...this.#rows.get(fault), [browser]: { ...result, seconds } });
    };
    try {
      record({ ok: true, cost: await run() });
    } catch (error) {
      record({ ok: false, error: error instanceof Error ? error.message.split("\n")[0] : String(error) });
      throw error;
    }
  }

  async write() {
    const browsers = [...this.#browsers];
    const lines = [
      ["fault", ...browsers],
      ["---", ...browsers.map(() => "---")],
    ];
    for (const [fault, results] of this.#rows)
      lines.push([fault, ...browsers.map((browser) => cell(results[browser]))]);
    console.log(lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n"));
    const rows = [...this.#rows].map(([fault, results]) => ({ fault, results }));
    await writeFile(join(await testFolder("."), `${this.#name}.json`), `${JSON.stringify(rows, null, 2)}\n`);
  }
}

/** @param {Result | undefined} result */
function cell(result) {
  if (!result) return "–";
  return result.ok ? `ok, ${result.seconds} s, ${result.cost}` : `FAILS: ${result.error}`;
}
