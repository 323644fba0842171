// Progress of all files together, with what can be done to all.

import { button, element, progressBar, setProgress, setText } from "./dom.js";

/** @import { QueueTotals, UploadQueue } from "../queue/index.js" */
/** @import { Localizer } from "./localize.js" */

export class Summary {
  #title = element("p", { class: "head-title", part: "summary-title" });
  #detail = element("p", { class: "head-detail", part: "summary-detail" });
  #retry = button("retry-all");
  #resume = button("resume-all");
  #pause = button("pause-all");
  #cancel = button("cancel-all");
  #clear = button("clear");
  bar = progressBar("total-progress");
  root;

  /** @param {UploadQueue} queue */
  constructor(queue) {
    const buttons = [this.#retry, this.#resume, this.#pause, this.#cancel, this.#clear];
    this.root = element(
      "div",
      { class: "head", part: "summary" },
      element("div", { class: "head-text" }, this.#title, this.#detail),
      element("div", { class: "head-buttons" }, ...buttons),
    );
    for (const made of buttons) {
      made.toggleAttribute("data-small", true);
      made.toggleAttribute("data-quiet", true);
    }
    this.#retry.addEventListener("click", () => queue.retry());
    this.#resume.addEventListener("click", () => queue.resume());
    this.#pause.addEventListener("click", () => queue.pause());
    this.#cancel.addEventListener("click", () => queue.cancel());
    this.#clear.addEventListener("click", () => queue.clearFinished());
  }

  /**
   * @param {QueueTotals} totals
   * @param {Localizer} localizer
   * @param {{ canClear: boolean, isDisabled: boolean }} options
   */
  update(totals, localizer, { canClear, isDisabled }) {
    const { unsent, paused, converting, ready, failed, canceled, files, sent, total, bytesPerSecond, etaSeconds } =
      totals;
    setText(this.#title, titleText(totals, localizer));
    const isMoving = unsent > paused;
    const details = [];
    if (unsent > 0) details.push(localizer.bytesOf(sent, total));
    if (bytesPerSecond > 0) details.push(localizer.speed(bytesPerSecond), localizer.timeLeft(etaSeconds));
    // The title tells of one of these; the others stand here.
    if (unsent > 0 && converting > 0) details.push(localizer.text("convertingCount", { n: converting }));
    if (unsent + converting > 0 && ready > 0) details.push(localizer.text("readyCount", { n: ready }));
    if (failed > 0 && failed < files - canceled) details.push(localizer.text("failedCount", { n: failed }));
    setText(this.#detail, details.filter(Boolean).join(" · "));
    this.#detail.hidden = details.length === 0;
    const fraction = total > 0 ? sent / total : 0;
    this.bar.hidden = unsent === 0;
    setProgress(this.bar, fraction, localizer.text("percentSent", { percent: localizer.percent(fraction) }));
    this.bar.setAttribute("aria-label", localizer.text("totalProgress"));
    this.#show(this.#retry, localizer.text("retryAll"), failed > 1);
    this.#show(this.#resume, localizer.text("resumeAll"), !isMoving && paused > 0 && files > 1);
    this.#show(this.#pause, localizer.text("pauseAll"), isMoving && files > 1);
    this.#show(this.#cancel, localizer.text("cancelAll"), unsent > 1);
    this.#show(this.#clear, localizer.text("clearFinished"), canClear && ready + canceled > 0);
    for (const made of [this.#retry, this.#resume, this.#pause, this.#cancel, this.#clear]) made.disabled = isDisabled;
  }

  /** @param {HTMLButtonElement} made @param {string} label @param {boolean} isShown */
  #show(made, label, isShown) {
    setText(made, label);
    made.hidden = !isShown;
  }
}

/** @param {QueueTotals} totals @param {Localizer} localizer */
function titleText({ unsent, paused, converting, ready, failed }, localizer) {
  if (unsent > paused) return localizer.text("uploadingCount", { n: unsent - paused });
  if (paused > 0) return localizer.text("pausedCount", { n: paused });
  if (converting > 0) return localizer.text("convertingCount", { n: converting });
  if (ready > 0) return localizer.text("readyCount", { n: ready });
  return failed > 0 ? localizer.text("failedCount", { n: failed }) : localizer.text("canceled");
}
