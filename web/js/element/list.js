// The rows of all files. Rows are made in portions, so that 500 files don't block the page.

import { element } from "./dom.js";
import { Row } from "./row.js";

/** @import { QueueItem, UploadQueue } from "../queue/index.js" */
/** @import { Localizer } from "./localize.js" */

/** Rows are made for so long in one animation frame, so that the page stays responsive. */
const FRAME_BUDGET_MS = 8;

export class List {
  root = element("ul", { class: "list", part: "list" });
  #queue;
  #onEmpty;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {readonly QueueItem[]} */
  #items = [];
  /** @type {Localizer | undefined} */
  #localizer;
  #options = { canEditTitle: false, isDisabled: false };
  #framePlanned = false;

  /**
   * @param {UploadQueue} queue
   * @param {() => void} onEmpty takes the focus when the last row that had it goes
   */
  constructor(queue, onEmpty) {
    this.#queue = queue;
    this.#onEmpty = onEmpty;
  }

  /**
   * @param {readonly QueueItem[]} items
   * @param {Localizer} localizer
   * @param {{ canEditTitle: boolean, isDisabled: boolean }} options
   */
  update(items, localizer, options) {
    const isOther = localizer !== this.#localizer || JSON.stringify(options) !== JSON.stringify(this.#options);
    this.#items = items;
    this.#localizer = localizer;
    this.#options = options;
    this.#removeOld(items);
    for (const item of items) {
      const row = this.#rows.get(item.id);
      if (row && (isOther || row.item !== item)) row.update(item, localizer, options);
    }
    this.#addNew();
  }

  /** @param {readonly QueueItem[]} items */
  #removeOld(items) {
    if (items.length === 0 && this.#rows.size === 0) return;
    const ids = new Set(items.map(({ id }) => id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      const hadFocus = row.root.contains(/** @type {ShadowRoot} */ (row.root.getRootNode()).activeElement);
      const neighbor = row.root.nextElementSibling ?? row.root.previousElementSibling;
      this.#rows.delete(id);
      row.root.remove();
      if (hadFocus) this.#focusRow(neighbor);
    }
  }

  /** @param {Element | null} root */
  #focusRow(root) {
    const row = [...this.#rows.values()].find((other) => other.root === root);
    if (row) row.focus();
    else this.#onEmpty();
  }

  #addNew() {
    const { root } = this;
    const startedMs = performance.now();
    const missing = this.#items.filter(({ id }) => !this.#rows.has(id));
    let made = 0;
    for (const item of missing) {
      const row = new Row(this.#queue);
      if (this.#localizer) row.update(item, this.#localizer, this.#options);
      this.#rows.set(item.id, row);
      root.append(row.root);
      made += 1;
      if (performance.now() - startedMs > FRAME_BUDGET_MS) break;
    }
    if (made === missing.length || this.#framePlanned) return;
    this.#framePlanned = true;
    // A hidden tab has no animation frames, but its rows may wait.
    requestAnimationFrame(() => {
      this.#framePlanned = false;
      this.#addNew();
    });
  }
}
