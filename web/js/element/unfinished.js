// Uploads that an earlier page load left unfinished: continued by one click where the browser kept the file's handle,
// else by choosing the file again.

import { button, element, iconButton, progressBar, setLabel, setProgress, setText } from "./dom.js";

/** @import { UploadQueue } from "../queue/index.js" */
/** @import { ResumableUpload } from "../index.js" */
/** @import { Localizer } from "./localize.js" */

export class Unfinished {
  #queue;
  #announce;
  #onClosed;
  #title = element("p", { class: "head-title" });
  #list = element("ul", { class: "list", part: "list" });
  #input = element("input", { type: "file", class: "hidden", tabindex: "-1", "aria-hidden": "true" });
  /** @type {((file: File) => void) | undefined} */
  #onPicked;
  /** @type {readonly ResumableUpload[] | undefined} */
  #shown;
  /** @type {Localizer | undefined} */
  #localizer;
  root;

  /**
   * @param {UploadQueue} queue
   * @param {(message: string) => void} announce
   * @param {() => void} onClosed takes the focus when its row is gone
   */
  constructor(queue, announce, onClosed) {
    this.#queue = queue;
    this.#announce = announce;
    this.#onClosed = onClosed;
    const head = element("div", { class: "head" }, element("div", { class: "head-text" }, this.#title));
    this.root = element("div", { class: "panel", part: "unfinished", hidden: true }, head, this.#list, this.#input);
    this.#input.addEventListener("change", () => {
      const file = this.#input.files?.[0];
      this.#input.value = "";
      if (file) this.#onPicked?.(file);
    });
  }

  /** @param {readonly ResumableUpload[]} uploads @param {Localizer} localizer */
  update(uploads, localizer) {
    if (uploads === this.#shown && localizer === this.#localizer) return;
    this.#shown = uploads;
    this.#localizer = localizer;
    setText(this.#title, localizer.text("unfinished"));
    const hadFocus = this.root.matches(":focus-within");
    this.#list.replaceChildren(...uploads.map((left) => this.#row(left, localizer)));
    this.root.hidden = uploads.length === 0;
    if (hadFocus) /** @type {HTMLElement | null} */ (this.#list.querySelector("button"))?.focus();
    if (hadFocus && uploads.length === 0) this.#onClosed();
  }

  /** @param {ResumableUpload} left @param {Localizer} localizer */
  #row(left, localizer) {
    const { fileName, size, sent } = left;
    const name = fileName || "–";
    const fraction = size > 0 ? sent / size : 0;
    const bar = progressBar("progress");
    setProgress(bar, fraction, localizer.percent(fraction));
    bar.setAttribute("aria-label", localizer.text("progressOf", { name }));
    const proceed = button("continue", localizer.text("continue"));
    proceed.toggleAttribute("data-small", true);
    proceed.toggleAttribute("data-primary", true);
    const discard = iconButton("discard", "cancel");
    const label = (/** @type {"continue" | "discard"} */ key) =>
      localizer.text("actionOf", { action: localizer.text(key), name });
    proceed.setAttribute("aria-label", label("continue"));
    setLabel(discard, label("discard"), localizer.text("discard"));
    const note = element("p", { class: "note", part: "note" });
    proceed.addEventListener("click", () => this.#continue(left, note, localizer));
    discard.addEventListener("click", () => {
      proceed.disabled = discard.disabled = true;
      this.#queue.forget(left);
    });
    const details = [localizer.bytes(size), localizer.text("percentSent", { percent: localizer.percent(fraction) })];
    return element(
      "li",
      { class: "row", part: "row", "data-state": "paused" },
      element("div", { class: "poster", part: "poster" }, localizer.percent(fraction)),
      element(
        "div",
        { class: "title-line" },
        element("span", { class: "row-title", part: "row-title", dir: "auto" }, name),
      ),
      element(
        "div",
        { class: "row-body" },
        bar,
        element("p", { class: "status", part: "status" }, details.join(" · ")),
        note,
      ),
      element("div", { class: "row-buttons" }, proceed, discard),
    );
  }

  /** @param {ResumableUpload} left @param {HTMLElement} note @param {Localizer} localizer */
  async #continue(left, note, localizer) {
    if (await this.#queue.continue(left)) return;
    const wanted = { name: left.fileName, size: localizer.bytes(left.size) };
    const tell = (/** @type {"chooseAgain" | "otherFile"} */ key) => {
      setText(note, localizer.text(key, wanted));
      this.#announce(localizer.text(key, wanted));
    };
    tell("chooseAgain");
    this.#onPicked = async (file) => {
      if (!(await this.#queue.continue(left, file))) tell("otherFile");
    };
    this.#input.click();
  }
}
