// Tells screen readers the start once, a few milestones, failures, and the end once.

import { stateText } from "./row.js";

/** @import { QueueSnapshot } from "../queue/index.js" */
/** @import { Localizer } from "./localize.js" */

const MILESTONES = [0.25, 0.5, 0.75];

export class Milestones {
  #announce;
  #wasUnsent = 0;
  #wasConverting = 0;
  #milestone = 0;
  /** @type {Set<string>} */
  #failed = new Set();

  /** @param {(message: string) => void} announce */
  constructor(announce) {
    this.#announce = announce;
  }

  /** @param {QueueSnapshot} snapshot @param {Localizer} localizer */
  follow({ items, totals }, localizer) {
    const { unsent, stored, converting, ready, sent, total } = totals;
    if (unsent > this.#wasUnsent) {
      this.#milestone = 0;
      this.#announce(localizer.text("uploadingCount", { n: unsent }));
    }
    const fraction = total > 0 ? sent / total : 0;
    const passed = MILESTONES.filter((milestone) => fraction >= milestone).length;
    if (unsent > 0 && passed > this.#milestone) {
      this.#announce(localizer.text("percentSent", { percent: localizer.percent(MILESTONES[passed - 1]) }));
    }
    this.#milestone = Math.max(this.#milestone, passed);
    for (const item of items) {
      if (item.state !== "failed") this.#failed.delete(item.id);
      else if (!this.#failed.has(item.id)) {
        this.#failed.add(item.id);
        this.#announce(`${item.title}: ${stateText(item, localizer)}`);
      }
    }
    if (this.#wasUnsent > 0 && unsent === 0 && stored > 0) this.#announce(localizer.text("storedCount", { n: stored }));
    if (this.#wasConverting > 0 && converting === 0 && unsent === 0 && ready > 0) {
      this.#announce(localizer.text("readyCount", { n: ready }));
    }
    this.#wasUnsent = unsent;
    this.#wasConverting = converting;
  }
}
