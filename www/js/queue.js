/** The uploads of this visit: which one goes next, and whether the page may be left. */

import { Card } from "./card.js";
import { byId } from "./dom.js";

// Each upload fills the line with several parts at once; more files at a time would only slow each other.
const AT_ONCE = 2;

export class Queue {
  #cards = [];
  #sending = new Set();
  #dropped;

  /** `dropped(videoId)` is told when the card of a stored video leaves the queue. */
  constructor(dropped) {
    this.#dropped = dropped;
    addEventListener("beforeunload", (event) => {
      if (this.#cards.some((card) => card.unsent)) event.preventDefault();
    });
  }

  add(files) {
    for (const file of files) {
      const card = new Card(file, {
        restart: () => this.#restart(card),
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
    const card = this.#cards.find((card) => card.waiting && !this.#sending.has(card));
    if (!card || this.#sending.size >= AT_ONCE) return;
    this.#sending.add(card);
    this.#next();
    await card.send();
    this.#sending.delete(card);
    this.#next();
  }

  #show() {
    byId("queue-section").hidden = this.#cards.length === 0;
  }
}
