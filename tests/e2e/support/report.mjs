// The results of a suite as a table, fault × browser: printed for people, and written for programs.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as e2e from "./system.mjs";

export class Table {
  #name;
  #rows = new Map();
  #browsers = new Set();

  /** `target/e2e/NAME.json` is where it is written to. */
  constructor(name) {
    this.#name = name;
  }

  /** Runs one cell and notes how it ends; `work` says in a few words what it cost. */
  async row(fault, browser, work) {
    const start = performance.now();
    const note = (result) => {
      const seconds = Number(((performance.now() - start) / 1000).toFixed(1));
      this.#browsers.add(browser);
      this.#rows.set(fault, { ...this.#rows.get(fault), [browser]: { ...result, seconds } });
    };
    try {
      note({ ok: true, cost: await work() });
    } catch (error) {
      note({ ok: false, why: String(error.message).split("\n")[0] });
      throw error;
    }
  }

  async publish() {
    const browsers = [...this.#browsers];
    const cell = (result) => (result ? (result.ok ? `ok, ${result.seconds} s, ${result.cost}` : `FAILS: ${result.why}`) : "–");
    const lines = [["fault", ...browsers], ["---", ...browsers.map(() => "---")]];
    for (const [fault, results] of this.#rows) lines.push([fault, ...browsers.map((browser) => cell(results[browser]))]);
    console.log(lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n"));
    const rows = [...this.#rows].map(([fault, results]) => ({ fault, results }));
    await writeFile(join(await e2e.folder("."), `${this.#name}.json`), `${JSON.stringify(rows, null, 2)}\n`);
  }
}
