// A live region for screen readers.

import { element } from "./dom.js";

/** Messages that come together are read together. */
const DELAY_MS = 400;

export class Announcer {
  root = element("div", { class: "hidden", role: "status", "aria-live": "polite" });
  /** @type {string[]} */
  #messages = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {string} message */
  announce = (message) => {
    if (!this.#messages.includes(message)) this.#messages.push(message);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.root.textContent = this.#messages.splice(0).join(" ");
    }, DELAY_MS);
  };
}
