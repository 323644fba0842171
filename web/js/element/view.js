// The content of the shadow root: made once, then brought up to date with the list, the attributes and the language.

import { VIDEO_FILES } from "../queue/limits.js";
import { videosOf } from "../queue/picked_files.js";
import { Announcer } from "./announcer.js";
import { setLabel, setText } from "./dom.js";
import { addStyles, STYLES } from "./styles.js";
import { makeTemplate } from "./template.js";

/** @import { QueueFile, QueueSnapshot, RejectionCode, RejectedFile, UploadQueue } from "../queue/index.js" */
/** @import { Localizer } from "./localize.js" */
/** @import { Panel } from "./panel.js" */
/** @import { Texts } from "./texts.js" */
/**
 * @typedef {{
 *   accept?: string,
 *   multiple: boolean,
 *   maxFiles?: number,
 *   maxSize?: number,
 *   maxDuration?: number,
 *   hasFolder: boolean,
 *   hasCamera: boolean,
 *   canEditTitle: boolean,
 *   canClear: boolean,
 *   isDisabled: boolean,
 * }} ViewOptions
 */

/** @type {Record<RejectionCode, keyof Texts>} */
const REJECTED_TEXTS = {
  not_accepted: "rejectedKind",
  too_large: "rejectedSize",
  too_many_files: "rejectedCount",
  file_empty: "rejectedEmpty",
  duplicate: "rejectedDuplicate",
  no_video_for_captions: "rejectedCaptions",
};

export class View {
  #template = makeTemplate();
  #announcer = new Announcer();
  #queue;
  #root;
  /** Loaded with the first file. @type {Promise<void> | undefined} */
  #loading;
  /** @type {Panel | undefined} */
  #panel;
  /** The arguments of the last `update`. @type {{ options: ViewOptions, localizer: Localizer } | undefined} */
  #latest;
  /** @type {readonly RejectedFile[]} */
  #rejected = [];

  /**
   * @param {ShadowRoot} root
   * @param {UploadQueue} queue
   * @param {(files: Iterable<File | QueueFile>) => void} onFiles
   */
  constructor(root, queue, onFiles) {
    this.#queue = queue;
    this.#root = root;
    const { base, choose, folder, record, picker, folderPicker, camera, dismiss } = this.#template;
    base.append(this.#announcer.root);
    choose.addEventListener("click", () => this.#pick(onFiles));
    folder.addEventListener("click", () => folderPicker.click());
    record.addEventListener("click", () => camera.click());
    for (const input of [picker, folderPicker, camera]) {
      input.addEventListener("change", (event) => {
        event.stopPropagation();
        const files = [...(input.files ?? [])];
        input.value = "";
        onFiles(input === folderPicker ? videosOf(files) : files);
      });
    }
    dismiss.addEventListener("click", () => {
      queue.dismissRejected();
      choose.focus();
    });
    addStyles(root, STYLES);
    root.append(base, this.#template.overlay);
  }

  /** Where the browser points when the form can't be sent. */
  get anchor() {
    return this.#template.choose;
  }

  /** @param {boolean} isWholePage @param {boolean} isDragging */
  showDragging(isDragging, isWholePage) {
    this.#template.overlay.hidden = !(isDragging && isWholePage);
  }

  /**
   * @param {QueueSnapshot} snapshot
   * @param {ViewOptions} options
   * @param {Localizer} localizer
   */
  update(snapshot, options, localizer) {
    this.#showZone(options, localizer);
    const { items, unfinished, rejected } = snapshot;
    this.#template.base.classList.toggle("has-files", items.length > 0);
    this.#showRejected(rejected, localizer);
    this.#panel?.update(snapshot, options, localizer);
    if (!this.#panel && items.length + unfinished.length > 0) this.#loadPanel();
    this.#latest = { options, localizer };
  }

  /** A failure isn't remembered: the next change tries again. */
  #loadPanel() {
    this.#loading ??= import("./panel.js").then(({ Panel, PANEL_STYLES }) => {
      addStyles(this.#root, PANEL_STYLES);
      const { announce } = this.#announcer;
      this.#panel = new Panel(this.#queue, announce, () => this.#template.choose.focus());
      this.#template.notice.after(...this.#panel.roots);
      if (this.#latest) this.#panel.update(this.#queue.getSnapshot(), this.#latest.options, this.#latest.localizer);
    });
    this.#loading.catch(() => (this.#loading = undefined));
  }

  /** @param {ViewOptions} options @param {Localizer} localizer */
  #showZone(options, localizer) {
    const { accept = VIDEO_FILES, multiple, hasFolder, hasCamera, isDisabled } = options;
    const { base, title, hint, choose, folder, record, picker, overlay } = this.#template;
    base.dir = localizer.direction;
    base.lang = localizer.tag;
    setText(title, localizer.text(multiple ? "dropMany" : "dropOne"));
    title.classList.add("pointer");
    setText(choose, localizer.text(multiple ? "chooseMany" : "chooseOne"));
    setText(folder, localizer.text("chooseFolder"));
    setText(record, localizer.text("record"));
    setText(overlay, localizer.text("dropNow"));
    const limits = limitTexts(options, localizer);
    setText(hint, limits.join(" · "));
    hint.hidden = limits.length === 0;
    folder.hidden = !hasFolder;
    record.hidden = !hasCamera;
    choose.disabled = folder.disabled = record.disabled = isDisabled;
    picker.accept = accept;
    picker.multiple = multiple;
  }

  /** @param {readonly RejectedFile[]} rejected @param {Localizer} localizer */
  #showRejected(rejected, localizer) {
    const { notice, noticeText, dismiss } = this.#template;
    setLabel(dismiss, localizer.text("dismiss"));
    notice.hidden = rejected.length === 0;
    if (rejected.length === 0) return;
    const byCode = new Map(rejected.map(({ code }) => [code, rejected.filter((other) => other.code === code)]));
    const texts = [...byCode].map(([code, files]) =>
      localizer.text(REJECTED_TEXTS[code], { n: files.length, name: files[0].file.name }),
    );
    setText(noticeText, texts.join(" "));
    if (rejected !== this.#rejected) this.#announcer.announce(texts.join(" "));
    this.#rejected = rejected;
  }

  /**
   * Opens the file dialog: where the browser can, the one that hands out handles, with which an upload is continued by
   * one click after a reload.
   *
   * @param {(files: Iterable<File | QueueFile>) => void} onFiles
   */
  async #pick(onFiles) {
    const { accept, multiple } = this.#queue.options;
    const openDialog = /** @type {OpenDialog | undefined} */ (Reflect.get(globalThis, "showOpenFilePicker"));
    if (!openDialog || accept) return this.#template.picker.click();
    try {
      const handles = await openDialog.call(globalThis, {
        multiple: multiple ?? false,
        types: [{ accept: { "video/*": EXTENSIONS } }],
      });
      onFiles(await Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), handle }))));
    } catch (error) {
      // Frames of another origin have none.
      if (/** @type {Error} */ (error).name !== "AbortError") this.#template.picker.click();
    }
  }
}

/**
 * Chromium only; TypeScript's library lacks it.
 * @typedef {(options: { multiple: boolean, types: { accept: Record<string, string[]> }[] }) => Promise<FileSystemFileHandle[]>} OpenDialog
 */

const EXTENSIONS = VIDEO_FILES.split(",").slice(1);

/** @param {ViewOptions} options @param {Localizer} localizer */
function limitTexts({ multiple, maxFiles, maxSize, maxDuration }, localizer) {
  const texts = [];
  if (multiple && maxFiles !== undefined) texts.push(localizer.text("maxFiles", { n: maxFiles }));
  if (maxSize !== undefined) texts.push(localizer.text("maxSize", { size: localizer.bytes(maxSize) }));
  if (maxDuration !== undefined) texts.push(localizer.text("maxDuration", { time: localizer.duration(maxDuration) }));
  return texts;
}
