// The list of files, and what earlier page loads left unfinished. Loaded with the first
// of them.

import { element } from "./dom.js";
import { List } from "./list.js";
import { Milestones } from "./milestones.js";
import { Summary } from "./summary.js";
import { Unfinished } from "./unfinished.js";

export { PANEL_STYLES } from "./panel_styles.js";

/** @import { QueueSnapshot, UploadQueue } from "../queue/index.js" */
/** @import { Localizer } from "./localize.js" */

export class Panel {
  #panel = element("div", { class: "panel", part: "queue", role: "group" });
  #list;
  #summary;
  #unfinished;
  #milestones;

  /**
   * @param {UploadQueue} queue
   * @param {(message: string) => void} announce
   * @param {() => void} focusElsewhere for when the row that has the focus goes
   */
  constructor(queue, announce, focusElsewhere) {
    this.#list = new List(queue, focusElsewhere);
    this.#summary = new Summary(queue);
    this.#unfinished = new Unfinished(queue, announce, focusElsewhere);
    this.#milestones = new Milestones(announce);
    this.#panel.append(this.#summary.root, this.#summary.bar, this.#list.root);
  }

  get roots() {
    return [this.#unfinished.root, this.#panel];
  }

  /**
   * @param {QueueSnapshot} snapshot
   * @param {{ canEditTitle: boolean, canClear: boolean, isDisabled: boolean }} options
   * @param {Localizer} localizer
   */
  update(snapshot, options, localizer) {
    const { items, totals, unfinished } = snapshot;
    this.#panel.hidden = items.length === 0;
    this.#panel.classList.toggle("has-bar", totals.unsent > 0);
    this.#panel.setAttribute("aria-label", localizer.text("files"));
    this.#summary.update(totals, localizer, options);
    this.#list.update(items, localizer, options);
    this.#unfinished.update(unfinished, localizer);
    this.#milestones.follow(snapshot, localizer);
  }
}
