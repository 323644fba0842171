/** The uploads of this visit: which one goes next, and whether the page may be left. */

import { Card } from "./card.js";
import { byId } from "./dom.js";

// Each upload fills the line with several parts at once; more files at a time would only slow each other.
const AT_ONCE = 2;

export class Queue {
  #cards = [];
  #sending = new Set();
  #changed;
  #dropped;

  /** `changed()` is told when cards come or go; `dropped(videoId)` when that of a stored video leaves. */
  constructor({ changed, dropped }) {
    this.#changed = changed;
    this.#dropped = dropped;
    addEventListener("beforeunload", (event) => {
      if (this.#cards.some((card) => card.unsent)) event.preventDefault();
    });
  }

  /** Takes a list of `{ file, handle? }`. */
  add(entries) {
    for (const { file, handle } of entries) {
      const card = new Card(file, handle, {
        restart: () => this.#restart(card),
        paused: () => this.#next(),
        dropped: () => this.#drop(card),
      });
      this.#cards.push(card);
      byId("queue").append(card.root);
    }
    this.#show();
    this.#next();
  }

  has(videoId) {
    return this.#cards.some((card) => card.videoId === videoId);
  }

  /** Whether a card shows this file, by its size and time. */
  holds(file) {
    return this.#cards.some((card) => card.isOf(file));
  }

  #restart(card) {
    card.wait();
    this.#next();
  }

  #drop(card) {
    const focused = card.root.contains(document.activeElement);
    const next = card.root.nextElementSibling ?? card.root.previousElementSibling;
    this.#cards = this.#cards.filter((other) => other !== card);
    card.root.remove();
    this.#show();
    // Where the button that had the focus is gone, the next one, or the start, takes over.
    if (focused) (next?.querySelector("button:not([hidden])") ?? byId("picker")).focus();
    if (card.videoId) this.#dropped(card.videoId);
  }

  async #next() {
    const card = this.#cards.find((card) => card.queued && !this.#sending.has(card));
    // A paused one fills no line.
    const busy = [...this.#sending].filter((card) => !card.paused).length;
    if (!card || busy >= AT_ONCE) return;
    this.#sending.add(card);
    this.#next();
    await card.send();
    this.#sending.delete(card);
    this.#next();
  }

  #show() {
    byId("queue-section").hidden = this.#cards.length === 0;
    this.#changed();
  }
}
