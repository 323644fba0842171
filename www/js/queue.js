/** The uploads of this page load: starts the next queued one, and warns before the page is left. */

import { Card } from "./card.js";
import { elementById, inputById } from "./dom.js";

/** @typedef {import("./drop.js").FileEntry} FileEntry */

// Each upload already uses the bandwidth with several parts in flight; more files would only slow each other down.
const MAX_ACTIVE_UPLOADS = 2;

export class Queue {
  /** @type {Card[]} */
  #cards = [];
  /** @type {Set<Card>} */
  #active = new Set();
  #onChange;
  #onRemove;

  /**
   * `onChange()` is called when cards are added or removed; `onRemove(videoId)` when the card of a stored video is
   * removed.
   *
   * @param {{ onChange: () => void, onRemove: (videoId: string) => void }} callbacks
   */
  constructor({ onChange, onRemove }) {
    this.#onChange = onChange;
    this.#onRemove = onRemove;
    addEventListener("beforeunload", (event) => {
      if (this.#cards.some((card) => card.isUnsent)) event.preventDefault();
    });
  }

  /** @param {FileEntry[]} entries */
  add(entries) {
    for (const { file, handle } of entries) {
      const card = new Card(file, handle, {
        onRestart: () => this.#restart(card),
        onPauseChange: () => this.#startNext(),
        onRemove: () => this.#remove(card),
      });
      this.#cards.push(card);
      elementById("queue").append(card.root);
    }
    this.#update();
    this.#startNext();
  }

  /** @param {string} videoId */
  hasVideo(videoId) {
    return this.#cards.some((card) => card.videoId === videoId);
  }

  /**
   * Whether a card shows this file, compared by size and modification time.
   *
   * @param {{ size: number, lastModified: number }} file
   */
  hasFile(file) {
    return this.#cards.some((card) => card.matches(file));
  }

  /** @param {Card} card */
  #restart(card) {
    card.reset();
    this.#startNext();
  }

  /** @param {Card} card */
  #remove(card) {
    const hadFocus = card.root.contains(document.activeElement);
    const neighbor = card.root.nextElementSibling ?? card.root.previousElementSibling;
    this.#cards = this.#cards.filter((other) => other !== card);
    card.root.remove();
    this.#update();
    // The focus moves to the neighbor's first button or to the file picker.
    const button = /** @type {HTMLElement | null | undefined} */ (neighbor?.querySelector("button:not([hidden])"));
    if (hadFocus) (button ?? inputById("picker")).focus();
    if (card.videoId) this.#onRemove(card.videoId);
  }

  async #startNext() {
    const next = this.#cards.find((card) => card.isQueued && !this.#active.has(card));
    // A paused upload uses no bandwidth.
    const running = [...this.#active].filter((card) => !card.isPaused).length;
    if (!next || running >= MAX_ACTIVE_UPLOADS) return;
    this.#active.add(next);
    this.#startNext();
    await next.send();
    this.#active.delete(next);
    this.#startNext();
  }

  #update() {
    elementById("queue-section").hidden = this.#cards.length === 0;
    this.#onChange();
  }
}
