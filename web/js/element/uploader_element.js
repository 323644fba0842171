// The class of `<greloupis-uploader>`. Importing it registers nothing, see `define.js`.

import { UploadQueue } from "../queue/index.js";
import { isStored } from "../queue/totals.js";
import { keepPage, listenForFiles } from "./drop_target.js";
import { FormValue } from "./form_value.js";
import { isLoadable, Localizer, loadLocalizer } from "./localize.js";
import { parseSize } from "./parse_size.js";
import { View } from "./view.js";

/** @import { QueueItem, QueueOptions } from "../queue/index.js" */
/** @import { Texts } from "./texts.js" */

export { UploadQueue };

const Base = globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (class {});

/**
 * Uploads videos: drop zone, file dialog, paste, a list with progress, and the conversion.
 *
 * @element greloupis-uploader
 *
 * @attr {string} endpoint - URL of the edge; a relative one is relative to the page. Files wait until there is one.
 * @attr {string} token - Bearer token for the edge. One that expires is better given as a function, by the property.
 * @attr {string} accept - Kinds of files as in `<input type="file">`. Default: any file that turns out to be a video.
 * @attr {boolean} multiple - Takes more than one file.
 * @attr {number} max-files - How many files the list takes.
 * @attr {string} max-size - The largest file: bytes, or a number with `kB`, `MB`, `GB` or `TB`.
 * @attr {number} max-duration - The longest video, in seconds; a longer one fails before a byte of it is sent.
 * @attr {number} parallel-files - Files that are sent at once. Default: 2.
 * @attr {"full"|"compact"|"button"} layout - `full` (default), `compact` (a line, no posters) or `button` (no drop zone).
 * @attr {"light"|"dark"} theme - Default: the page's `color-scheme`.
 * @attr {boolean} directory - Offers a button that chooses a folder.
 * @attr {boolean} capture - Offers a button that records a video, on phones.
 * @attr {"page"} drop-target - `page` takes files that are dropped or pasted anywhere on the page.
 * @attr {boolean} editable-titles - The title of each file can be edited.
 * @attr {boolean} allow-leave - Doesn't warn when the page is left while files are sent.
 * @attr {string} lang - Language of the texts: ar, de, en, es, fr, hi, ja, pt, zh. Default: the nearest `lang`, else the browser's.
 * @attr {string} name - The name in a form; each stored video's id is one value of it.
 * @attr {boolean} required - The form can't be sent without a video.
 * @attr {boolean} disabled - Takes no files and no clicks.
 *
 * @fires {CustomEvent<{ files: File[] }>} filesadded - Files were chosen. Leave files out by changing the array, or all by `preventDefault()`.
 * @fires {CustomEvent<{ file: File, item: QueueItem }>} duplicate - A file is on the list already and is left out, unless `preventDefault()` is called.
 * @fires {CustomEvent<{ rejected: RejectedFile[] }>} filesrejected - Files were left out, with a code for each.
 * @fires {CustomEvent<{ item: QueueItem }>} uploadstart - A file begins to be sent.
 * @fires {CustomEvent<{ item: QueueItem }>} uploadprogress - Bytes of a file were sent.
 * @fires {CustomEvent<{ item: QueueItem, videoId: string }>} uploaded - A file is stored and verified.
 * @fires {CustomEvent<{ item: QueueItem }>} conversionprogress - The conversion of a video goes on.
 * @fires {CustomEvent<{ item: QueueItem, video: ReadyVideo }>} ready - A video can be played: `video.urls.hls`.
 * @fires {CustomEvent<{ item: QueueItem, error: { code: string, message: string } }>} uploaderror - A file has failed.
 * @fires {CustomEvent<{ item: QueueItem }>} uploadcanceled - A file was canceled.
 * @fires {CustomEvent<{ item: QueueItem, title: string }>} titlechange - A title was edited.
 * @fires {CustomEvent<{ item: QueueItem }>} fileremoved - A file was taken off the list.
 * @fires {CustomEvent<{ snapshot: QueueSnapshot }>} queuechange - Something of the list has changed; progress at most ten times a second.
 * @fires {Event} change - `value` has changed.
 *
 * @slot title - Stands in for the words in the drop zone.
 * @slot hint - Stands in for the limits in the drop zone.
 * @slot icon - Stands in for the icon in the drop zone.
 * @slot buttons - Further buttons beside those of the drop zone.
 *
 * @csspart base - All of it.
 * @csspart dropzone - The drop zone.
 * @csspart icon - The round icon of the drop zone.
 * @csspart dropzone-title - The words of the drop zone.
 * @csspart hint - The limits.
 * @csspart buttons - The buttons of the drop zone.
 * @csspart button - Each button with a word. Together with one of: `choose`, `choose-folder`, `record`, `retry`, `retry-all`, `pause-all`, `resume-all`, `cancel-all`, `clear`, `continue`.
 * @csspart icon-button - Each button with an icon alone. Together with one of: `pause`, `close`, `edit`, `dismiss`, `discard`.
 * @csspart notice - Tells which files were left out.
 * @csspart overlay - Over the whole page while files are dragged over it, with `drop-target="page"`.
 * @csspart unfinished - The box of what earlier page loads left unfinished.
 * @csspart queue - The box of the list.
 * @csspart summary - The line over the list.
 * @csspart summary-title - What is going on.
 * @csspart summary-detail - Bytes, speed and time left.
 * @csspart total-progress - The progress bar of all files.
 * @csspart total-progress-fill - Its filled part.
 * @csspart list - The list.
 * @csspart row - One file.
 * @csspart poster - The picture of a video.
 * @csspart row-title - Its title.
 * @csspart title-input - The field in which a title is edited.
 * @csspart progress - The progress bar of a file.
 * @csspart progress-fill - Its filled part.
 * @csspart status - The line under the progress bar.
 * @csspart state - What is going on with a file.
 * @csspart detail - Bytes, speed and time left of a file.
 * @csspart captions - The names of a video's captions files.
 *
 * @cssprop [--greloupis-accent=#1f5fd0] - Main button, progress, focus.
 * @cssprop [--greloupis-on-accent=#fff] - Text on the accent color.
 * @cssprop [--greloupis-surface=#fff] - Background of boxes and buttons.
 * @cssprop [--greloupis-surface-sunken=#eef0f4] - Background of progress bars and posters.
 * @cssprop [--greloupis-text=#1b1e25] - Text.
 * @cssprop [--greloupis-text-muted=#596070] - Less important text.
 * @cssprop [--greloupis-border=#d5d9e1] - Borders.
 * @cssprop [--greloupis-error=#b3261e] - Failures.
 * @cssprop [--greloupis-success=#0b7a53] - Conversion, and what is ready.
 * @cssprop [--greloupis-radius=14px] - Rounding of corners.
 * @cssprop [--greloupis-gap=12px] - Space between the boxes.
 * @cssprop [--greloupis-font=system-ui] - Font family.
 * @cssprop [--greloupis-list-max-height=30em] - Height from which the list scrolls.
 */
export class GreloupisUploaderElement extends Base {
  static formAssociated = true;
  static observedAttributes = [
    ...["endpoint", "token", "accept", "multiple", "max-files", "max-size", "max-duration", "parallel-files"],
    ...["layout", "directory", "capture", "drop-target", "editable-titles", "lang", "name", "required", "disabled"],
  ];

  /**
   * The list of files, for a page that shows or fills it itself.
   * @type {UploadQueue}
   */
  queue = this.createQueue();
  #root = this.attachShadow({ mode: "open", delegatesFocus: true });
  #view = new View(this.#root, this.queue, (files) => this.#add(files));
  #form = new FormValue(this, () => this.#view.anchor);
  #localizer = new Localizer();
  /** The latest language that was asked for. */
  #languageRequests = 0;
  /** @type {AbortController | undefined} */
  #connection;
  /** @type {QueueOptions["token"]} */
  #token;
  /** @type {QueueOptions["beforeUpload"]} */
  #beforeUpload;
  /** @type {((item: QueueItem) => HTMLElement | undefined) | undefined} */
  #readyContent;
  /** @type {Partial<Texts>} */
  #texts = {};
  #isFieldsetDisabled = false;

  constructor() {
    super();
    this.queue.parent = this;
    this.#upgradeProperties();
  }

  /** Made once, in the constructor. A subclass may make another, with an engine for tests. @returns {UploadQueue} */
  createQueue() {
    return new UploadQueue();
  }

  // ---- Properties

  /** URL of the edge. @type {string | null} */
  get endpoint() {
    return this.getAttribute("endpoint");
  }
  set endpoint(value) {
    this.#reflect("endpoint", value);
  }

  /**
   * Bearer token, or a function that returns one and is called before each request.
   * @type {QueueOptions["token"]}
   */
  get token() {
    return this.#token ?? this.getAttribute("token") ?? undefined;
  }
  set token(value) {
    this.#token = value;
    this.#applyOptions();
  }

  /**
   * Called before a file is sent; what it returns goes to `upload()`, as `{ videoId }`.
   * @type {QueueOptions["beforeUpload"]}
   */
  get beforeUpload() {
    return this.#beforeUpload;
  }
  set beforeUpload(value) {
    this.#beforeUpload = value;
    this.#applyOptions();
  }

  /**
   * The page's own markup after a ready video's line: a player, a link.
   * @type {((item: QueueItem) => HTMLElement | undefined) | undefined}
   */
  get readyContent() {
    return this.#readyContent;
  }
  set readyContent(value) {
    this.#readyContent = value;
  }

  /**
   * A site's own words in place of single texts, by key.
   * @type {Partial<Texts>}
   */
  get texts() {
    return this.#texts;
  }
  set texts(value) {
    this.#texts = value ?? {};
    this.#loadLanguage();
  }

  /** Kinds of files, as in `<input type="file">`. @type {string | null} */
  get accept() {
    return this.getAttribute("accept");
  }
  set accept(value) {
    this.#reflect("accept", value);
  }

  /** Takes more than one file. @type {boolean} */
  get multiple() {
    return this.hasAttribute("multiple");
  }
  set multiple(value) {
    this.toggleAttribute("multiple", isOn(value));
  }

  /** How many files the list takes. @type {number | undefined} */
  get maxFiles() {
    return numberOf(this.getAttribute("max-files"));
  }
  set maxFiles(value) {
    this.#reflect("max-files", value);
  }

  /** The largest file, in bytes. @type {number | undefined} */
  get maxSize() {
    return parseSize(this.getAttribute("max-size"));
  }
  set maxSize(value) {
    this.#reflect("max-size", value);
  }

  /** The longest video, in seconds. @type {number | undefined} */
  get maxDuration() {
    return numberOf(this.getAttribute("max-duration"));
  }
  set maxDuration(value) {
    this.#reflect("max-duration", value);
  }

  /** Files that are sent at once. @type {number | undefined} */
  get parallelFiles() {
    return numberOf(this.getAttribute("parallel-files"));
  }
  set parallelFiles(value) {
    this.#reflect("parallel-files", value);
  }

  /** `full`, `compact` or `button`. @type {string} */
  get layout() {
    return this.getAttribute("layout") ?? "full";
  }
  set layout(value) {
    this.#reflect("layout", value);
  }

  // ---- In a form

  /** The name in a form. @type {string} */
  get name() {
    return this.getAttribute("name") ?? "";
  }
  set name(value) {
    this.#reflect("name", value);
  }

  /** The form can't be sent without a video. @type {boolean} */
  get required() {
    return this.hasAttribute("required");
  }
  set required(value) {
    this.toggleAttribute("required", isOn(value));
  }

  /** Takes no files and no clicks. @type {boolean} */
  get disabled() {
    return this.hasAttribute("disabled");
  }
  set disabled(value) {
    this.toggleAttribute("disabled", isOn(value));
  }

  /** The ids of the stored videos. @type {string[]} */
  get videoIds() {
    return this.queue.items.filter(isStored).map(({ videoId = "" }) => videoId);
  }

  /** The ids of the stored videos, joined by commas. @type {string} */
  get value() {
    return this.videoIds.join(",");
  }

  /** The form, if it stands in one. @type {HTMLFormElement | null} */
  get form() {
    return this.#form.form;
  }

  /** @type {ValidityState | undefined} */
  get validity() {
    return this.#form.validity;
  }

  /** @type {string} */
  get validationMessage() {
    return this.#form.validationMessage;
  }

  /** @type {boolean} */
  get willValidate() {
    return this.#form.willValidate;
  }

  /** Whether the form can be sent, as far as this element is concerned. */
  checkValidity() {
    return this.#form.checkValidity();
  }

  /** The same, and tells the user why not. */
  reportValidity() {
    return this.#form.reportValidity();
  }

  formResetCallback() {
    this.queue.remove();
    this.queue.dismissRejected();
  }

  /** @param {boolean} isDisabled by the element itself or its fieldset */
  formDisabledCallback(isDisabled) {
    this.#isFieldsetDisabled = isDisabled;
    this.#render();
  }

  // ---- Life

  connectedCallback() {
    const connection = new AbortController();
    this.#connection = connection;
    const { signal } = connection;
    const unsubscribe = this.queue.subscribe(() => this.#render());
    signal.addEventListener("abort", unsubscribe);
    this.queue.addEventListener("ready", (event) => this.#showReadyContent(itemOf(event)), { signal });
    this.queue.addEventListener("fileremoved", (event) => this.#removeReadyContent(itemOf(event)), { signal });
    const listen = { signal };
    addEventListener("beforeunload", (event) => this.#warnBeforeLeaving(event), listen);
    // Another tab may have finished or continued some of them meanwhile.
    document.addEventListener("visibilitychange", () => document.hidden || this.queue.loadUnfinished(), listen);
    keepPage(signal);
    this.#listenForFiles(signal);
    this.#applyOptions();
    this.#loadLanguage();
    this.#render();
    this.queue.loadUnfinished();
  }

  disconnectedCallback() {
    this.#connection?.abort();
    this.#connection = undefined;
  }

  /** @param {string} name */
  attributeChangedCallback(name) {
    if (!this.#connection) return;
    if (name === "lang") return this.#loadLanguage();
    if (name === "drop-target") {
      this.disconnectedCallback();
      return this.connectedCallback();
    }
    this.#applyOptions();
    this.#render();
  }

  // ----

  /** Properties that were set before the class was known would hide the accessors. */
  #upgradeProperties() {
    for (const name of ["beforeUpload", "endpoint", "readyContent", "texts", "token", ...PROPERTIES]) {
      if (!Object.hasOwn(this, name)) continue;
      const value = Reflect.get(this, name);
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, value);
    }
  }

  /** @param {string} name @param {string | number | null | undefined} value */
  #reflect(name, value) {
    if (value === null || value === undefined) this.removeAttribute(name);
    else this.setAttribute(name, String(value));
  }

  get #isDisabled() {
    return this.disabled || this.#isFieldsetDisabled;
  }

  get #isWholePage() {
    return this.getAttribute("drop-target") === "page";
  }

  #applyOptions() {
    this.queue.options = {
      endpoint: this.endpoint ?? undefined,
      token: this.token,
      accept: this.accept ?? undefined,
      multiple: this.multiple,
      maxFiles: this.maxFiles,
      maxSize: this.maxSize,
      maxDuration: this.maxDuration,
      parallelFiles: this.parallelFiles,
      beforeUpload: this.#beforeUpload,
    };
  }

  async #loadLanguage() {
    this.#languageRequests += 1;
    const request = this.#languageRequests;
    const tag = this.closest("[lang]")?.getAttribute("lang") || globalThis.navigator?.language || "en";
    if (isLoadable(tag)) {
      const localizer = await loadLocalizer(tag, this.#texts);
      if (request !== this.#languageRequests) return;
      this.#localizer = localizer;
    } else this.#localizer = new Localizer(tag.startsWith("en") ? tag : "en", undefined, this.#texts);
    this.#render();
  }

  /** @param {Iterable<File | import("../queue/index.js").QueueFile>} files */
  #add(files) {
    if (!this.#isDisabled) this.queue.add(files);
  }

  /** @param {AbortSignal} signal */
  #listenForFiles(signal) {
    listenForFiles(
      this.#isWholePage ? document : this,
      {
        isEnabled: () => !this.#isDisabled,
        onDragging: (isDragging) => {
          this.toggleAttribute("data-dragging", isDragging);
          this.#view.showDragging(isDragging, this.#isWholePage);
        },
        onFiles: (files) => this.#add(files),
      },
      signal,
    );
  }

  /** @param {Event} event */
  #warnBeforeLeaving(event) {
    if (this.queue.isSending && !this.hasAttribute("allow-leave")) event.preventDefault();
  }

  #render() {
    if (!this.#connection) return;
    const snapshot = this.queue.getSnapshot();
    const { accept, multiple, maxFiles, maxSize, maxDuration } = this.queue.options;
    this.#view.update(
      snapshot,
      {
        ...{ accept, multiple: multiple ?? false, maxFiles, maxSize, maxDuration },
        hasFolder: this.hasAttribute("directory") && this.multiple,
        hasCamera: this.hasAttribute("capture"),
        canEditTitle: this.hasAttribute("editable-titles"),
        // In a form the list is the value, so that nothing is cleared from it by the way.
        canClear: this.name === "",
        isDisabled: this.#isDisabled,
      },
      this.#localizer,
    );
    this.#form.update(snapshot, this.#localizer);
  }

  /** @param {QueueItem} item */
  #showReadyContent(item) {
    const content = this.readyContent?.(item);
    if (!content) return;
    content.slot = `ready-${item.id}`;
    this.append(content);
  }

  /** @param {QueueItem} item */
  #removeReadyContent({ id }) {
    for (const child of [...this.children]) if (child.slot === `ready-${id}`) child.remove();
  }
}

const PROPERTIES = [
  ...[
    "accept",
    "disabled",
    "layout",
    "maxDuration",
    "maxFiles",
    "maxSize",
    "multiple",
    "name",
    "parallelFiles",
    "required",
  ],
];

/** Frameworks set `""` for an attribute without a value. @param {unknown} value */
const isOn = (value) => value === "" || Boolean(value);

/** @param {Event} event @returns {QueueItem} */
const itemOf = (event) => /** @type {CustomEvent} */ (event).detail.item;

/** @param {string | null} value */
const numberOf = (value) => (value === null || value === "" || Number.isNaN(Number(value)) ? undefined : Number(value));
