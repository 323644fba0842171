// CPU time and memory of a browser's processes so far, from /proc.

import { readdirSync, readFileSync } from "node:fs";

/** @typedef {{ pid: number, parent: number, cpu: number, peak: number, isRenderer: boolean }} Process */

/**
 * All processes of a browser: CPU time in seconds, peak memory in bytes.
 *
 * @param {number} browser Its process id.
 * @returns {Process[]}
 */
export function processes(browser) {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        const status = readFileSync(`/proc/${pid}/status`, "latin1");
        const peak = /VmHWM:\s+(\d+) kB/.exec(status);
        return [
          {
            pid: Number(pid),
            parent: Number(fields[1]),
            cpu: (Number(fields[11]) + Number(fields[12])) / 100,
            peak: peak ? Number(peak[1]) * 1024 : 0,
            isRenderer: readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("--type=renderer"),
          },
        ];
      } catch {
        return []; // It has exited meanwhile.
      }
    });
  const descendants = new Set([browser]);
  for (let grown = true; grown; ) {
    const more = all.filter(({ pid, parent }) => descendants.has(parent) && !descendants.has(pid));
    for (const { pid } of more) descendants.add(pid);
    grown = more.length > 0;
  }
  return all.filter(({ pid }) => descendants.has(pid));
}

/**
 * @param {Process[]} list
 * @param {"cpu" | "peak"} field
 */
export function sum(list, field) {
  return list.reduce((total, item) => total + item[field], 0);
}

/**
 * The largest renderer's peak memory, in bytes.
 *
 * @param {Process[]} list
 */
export function rendererPeakMemory(list) {
  return Math.max(0, ...list.filter(({ isRenderer }) => isRenderer).map(({ peak }) => peak));
}

/** @param {number} browser Its process id. */
export const rendererPeakBytes = (browser) => rendererPeakMemory(processes(browser));
