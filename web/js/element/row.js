// One file of the list.

import { isUnsent } from "../queue/totals.js";
import { button, element, icon, iconButton, progressBar, setIcon, setLabel, setProgress, setText } from "./dom.js";
import { errorKey } from "./error_texts.js";

/** @import { QueueItem, UploadQueue } from "../queue/index.js" */
/** @import { Localizer } from "./localize.js" */

const PAUSABLE_STATES = ["starting", "uploading", "waiting", "paused"];
const CONVERTING_STATES = ["uploaded", "unverified", "converting"];
/** States whose progress isn't known as a number. */
const INDETERMINATE_STATES = ["starting", "finishing", "uploaded", "unverified"];

export class Row {
  /** @type {QueueItem | undefined} */
  item;
  #queue;
  /** @type {Localizer | undefined} */
  #localizer;
  #image = element("img", { alt: "", part: "poster-image", hidden: true });
  #length = element("span", { class: "length", hidden: true });
  #title = element("span", { class: "row-title", part: "row-title", dir: "auto" });
  #edit = iconButton("edit", "edit");
  #titleLine = element("div", { class: "title-line" }, this.#title, this.#edit);
  #bar = progressBar("progress");
  #stateIcon = icon("check");
  #stateText = document.createTextNode("");
  #detail = element("span", { part: "detail" });
  #captions = element("p", { class: "captions", part: "captions", dir: "auto", hidden: true });
  #slot = element("slot", { class: "ready" });
  #retry = button("retry");
  #pause = iconButton("pause", "pause");
  #close = iconButton("close", "cancel");
  root;

  /** @param {UploadQueue} queue */
  constructor(queue) {
    this.#queue = queue;
    const state = element("span", { class: "state", part: "state" }, this.#stateIcon, this.#stateText);
    this.root = element(
      "li",
      { class: "row", part: "row" },
      element("div", { class: "poster", part: "poster" }, icon("film"), this.#image, this.#length),
      this.#titleLine,
      element(
        "div",
        { class: "row-body" },
        this.#bar,
        element("p", { class: "status", part: "status" }, state, this.#detail),
        this.#captions,
        this.#slot,
      ),
      element("div", { class: "row-buttons" }, this.#retry, this.#pause, this.#close),
    );
    this.#retry.toggleAttribute("data-small", true);
    this.#image.addEventListener("error", () => (this.#image.hidden = true));
    this.#retry.addEventListener("click", () => this.#queue.retry(this.#id));
    this.#edit.addEventListener("click", () => this.#editTitle());
    this.#pause.addEventListener("click", () =>
      this.item?.state === "paused" ? this.#queue.resume(this.#id) : this.#queue.pause(this.#id),
    );
    this.#close.addEventListener("click", () =>
      this.item && isUnsent(this.item) ? this.#queue.cancel(this.#id) : this.#queue.remove(this.#id),
    );
  }

  get #id() {
    return this.item?.id ?? "";
  }

  /** Moves the focus here. */
  focus() {
    this.#close.focus();
  }

  /**
   * @param {QueueItem} item
   * @param {Localizer} localizer
   * @param {{ canEditTitle: boolean, isDisabled: boolean }} options
   */
  update(item, localizer, { canEditTitle, isDisabled }) {
    this.item = item;
    this.#localizer = localizer;
    const { state, title } = item;
    this.root.dataset.state = state;
    setText(this.#title, title);
    this.#title.title = item.name;
    this.#edit.hidden = !canEditTitle;
    this.#slot.name = `ready-${item.id}`;
    this.#showPoster(item);
    this.#showState(item, localizer);
    this.#showProgress(item, localizer);
    this.#showCaptions(item, localizer);
    const unsent = isUnsent(item);
    this.#toggle(this.#pause, PAUSABLE_STATES.includes(state));
    setIcon(/** @type {SVGElement} */ (this.#pause.firstElementChild), state === "paused" ? "resume" : "pause");
    this.#toggle(this.#retry, state === "canceled" || (state === "failed" && item.isRetryable));
    setText(this.#retry, localizer.text("retry"));
    this.#label(this.#retry, "retry");
    this.#label(this.#pause, state === "paused" ? "resume" : "pause");
    this.#label(this.#close, unsent ? "cancel" : "remove");
    this.#label(this.#edit, "editTitle");
    for (const control of [this.#retry, this.#pause, this.#close, this.#edit]) control.disabled = isDisabled;
  }

  /** @param {QueueItem} item */
  #showPoster({ poster, video, durationMs }) {
    const source = poster ?? video?.urls?.poster;
    if (source && this.#image.getAttribute("src") !== source) {
      this.#image.src = source;
      this.#image.hidden = false;
    }
    this.#length.hidden = !durationMs;
    if (durationMs) setText(this.#length, clock(durationMs));
  }

  /** @param {QueueItem} item @param {Localizer} localizer */
  #showState(item, localizer) {
    const { state } = item;
    const hasIcon = state === "ready" || state === "failed";
    this.#stateIcon.toggleAttribute("hidden", !hasIcon);
    if (hasIcon) setIcon(this.#stateIcon, state === "ready" ? "check" : "alert");
    setText(this.#stateText, stateText(item, localizer));
    setText(this.#detail, detailText(item, localizer));
  }

  /** @param {QueueItem} item @param {Localizer} localizer */
  #showProgress(item, localizer) {
    const { state, sent, size, percent, title } = item;
    const isOver = ["ready", "failed", "canceled"].includes(state);
    this.#bar.hidden = isOver;
    const fraction = CONVERTING_STATES.includes(state) ? percent / 100 : size > 0 ? sent / size : 0;
    const isUnknown = INDETERMINATE_STATES.includes(state) && !(state === "starting" && sent > 0);
    setProgress(
      this.#bar,
      isUnknown ? undefined : fraction,
      `${localizer.text(stateKey(state))}, ${localizer.percent(fraction)}`,
    );
    this.#bar.setAttribute("aria-label", localizer.text("progressOf", { name: title }));
  }

  /** @param {QueueItem} item @param {Localizer} localizer */
  #showCaptions({ captions }, localizer) {
    this.#captions.hidden = captions.length === 0;
    const names = captions.map(({ name, error }) => (error ? `${name} (${errorText(error, localizer)})` : name));
    setText(this.#captions, localizer.text("captions", { names: names.join(", ") }));
    this.#captions.classList.toggle(
      "failed",
      captions.some(({ error }) => error),
    );
  }

  /** Hides or shows a control; a hidden one hands its focus on. @param {HTMLElement} control @param {boolean} isShown */
  #toggle(control, isShown) {
    if (!isShown && control.matches(":focus")) this.#close.focus();
    control.hidden = !isShown;
  }

  /** @param {HTMLElement} control @param {"cancel" | "editTitle" | "pause" | "remove" | "resume" | "retry"} action */
  #label(control, action) {
    const word = this.#localizer?.text(action) ?? "";
    const label = this.#localizer?.text("actionOf", { action: word, name: this.item?.title ?? "" }) ?? "";
    setLabel(control, label, word);
  }

  #editTitle() {
    const { item } = this;
    if (!item || !this.#localizer) return;
    const input = element("input", { class: "title-input", part: "title-input", type: "text", maxlength: "200" });
    input.setAttribute("aria-label", this.#localizer.text("title"));
    input.value = item.title;
    const finish = (/** @type {boolean} */ isKept) => {
      if (!input.isConnected) return;
      const title = input.value.trim();
      const hadFocus = input.matches(":focus");
      this.#titleLine.replaceChildren(this.#title, this.#edit);
      if (hadFocus) this.#edit.focus();
      if (isKept && title && title !== item.title) this.#queue.setTitle(item.id, title);
    };
    input.addEventListener("blur", () => finish(true));
    input.addEventListener("keydown", (event) => {
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      finish(event.key === "Enter");
    });
    this.#titleLine.replaceChildren(input);
    input.select();
    input.focus();
  }
}

/** @param {QueueItem["state"]} state */
const stateKey = (state) => (state === "unverified" ? "uploaded" : state);

/** @param {QueueItem} item @param {Localizer} localizer */
export function stateText({ state, error, retrying, unreachable, isPausedElsewhere }, localizer) {
  if (state === "starting" && unreachable) return localizer.text("errorNetwork");
  if (state === "waiting" && isPausedElsewhere) return localizer.text("pausedElsewhere");
  if (state === "uploading" && retrying) return localizer.text("retrying");
  if (state !== "failed" || !error) return localizer.text(stateKey(state));
  return errorText(error, localizer);
}

/** @param {{ code: string, message: string }} error @param {Localizer} localizer */
function errorText({ code, message }, localizer) {
  const key = errorKey(code);
  return key === "errorOther" && message ? message : localizer.text(key);
}

/** @param {QueueItem} item @param {Localizer} localizer */
function detailText(item, localizer) {
  const { state, sent, size, bytesPerSecond, etaSeconds, percent } = item;
  if (state === "failed") return item.error?.code ?? "";
  if (state === "converting") return localizer.percent(percent / 100);
  if (!["uploading", "paused", "waiting"].includes(state)) return state === "canceled" ? "" : localizer.bytes(size);
  const moving = state === "uploading" && bytesPerSecond > 0;
  const details = moving ? [localizer.speed(bytesPerSecond), localizer.timeLeft(etaSeconds)] : [];
  return [localizer.bytesOf(sent, size), ...details].filter(Boolean).join(" · ");
}

/** A length as on a clock: `1:05`, `1:00:07`. @param {number} ms */
function clock(ms) {
  const seconds = Math.round(ms / 1000);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
