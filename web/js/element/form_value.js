// The element as a field of a form: its value are the ids of the stored videos, and it is valid once all are stored.

import { isStored } from "../queue/totals.js";

/** @import { QueueSnapshot } from "../queue/index.js" */
/** @import { Localizer } from "./localize.js" */

export class FormValue {
  #element;
  #anchor;
  /** Absent in old browsers and in jsdom. @type {ElementInternals | undefined} */
  #internals;
  #value = "";

  /**
   * @param {HTMLElement & { name: string, required: boolean, value: string }} element
   * @param {() => HTMLElement} anchor where the browser shows why the form can't be sent
   */
  constructor(element, anchor) {
    this.#element = element;
    this.#anchor = anchor;
    const internals = element.attachInternals?.();
    if (internals && "setFormValue" in internals) this.#internals = internals;
  }

  get form() {
    return this.#internals?.form ?? null;
  }

  get validity() {
    return this.#internals?.validity;
  }

  get validationMessage() {
    return this.#internals?.validationMessage ?? "";
  }

  get willValidate() {
    return this.#internals?.willValidate ?? false;
  }

  checkValidity() {
    return this.#internals?.checkValidity() ?? true;
  }

  reportValidity() {
    return this.#internals?.reportValidity() ?? true;
  }

  /** @param {QueueSnapshot} snapshot @param {Localizer} localizer */
  update({ items, totals }, localizer) {
    const { name, required, value } = this.#element;
    const form = new FormData();
    for (const { videoId } of items.filter(isStored)) if (name && videoId) form.append(name, videoId);
    this.#internals?.setFormValue(form);
    if (totals.unsent > 0) this.#setValidity({ customError: true }, localizer.text("notStored"));
    else if (totals.failed > 0) this.#setValidity({ customError: true }, localizer.text("hasFailed"));
    else if (required && totals.stored === 0) this.#setValidity({ valueMissing: true }, localizer.text("valueMissing"));
    else this.#setValidity({});
    if (value === this.#value) return;
    this.#value = value;
    this.#element.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** @param {ValidityStateFlags} flags @param {string} [message] */
  #setValidity(flags, message) {
    const anchor = this.#anchor();
    if (anchor.isConnected) this.#internals?.setValidity(flags, message, anchor);
    else this.#internals?.setValidity(flags, message);
  }
}
