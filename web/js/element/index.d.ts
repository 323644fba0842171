import type { UploadOptions } from "../index.js";
import { type QueueItem, type QueueOptions, UploadQueue, type UploadQueueEventMap } from "../queue/index.js";
import type { Texts } from "./texts.js";

export type * from "../queue/index.js";
export type { Texts } from "./texts.js";
export { UploadQueue };

/** The events of `<greloupis-uploader>`. */
export interface GreloupisUploaderEventMap extends HTMLElementEventMap, UploadQueueEventMap {}

/**
 * `<greloupis-uploader endpoint="/api">`: drop zone, file dialog, paste, a list with progress, and the conversion. Its
 * attributes, events, slots, parts and custom properties are in `custom-elements.json`.
 *
 * ```ts
 * import "@greloupis/uploader/element";
 *
 * const uploader = document.createElement("greloupis-uploader");
 * uploader.endpoint = "/api";
 * uploader.token = () => localStorage.getItem("token") ?? undefined;
 * uploader.addEventListener("ready", ({ detail: { video } }) => console.log(video.urls.hls));
 * document.body.append(uploader);
 * ```
 */
export class GreloupisUploaderElement extends HTMLElement {
  static formAssociated: true;
  /** The list of files, for a page that shows or fills it itself. */
  readonly queue: UploadQueue;
  /** Called once, by the constructor. A subclass may make another list, with an engine for tests. */
  protected createQueue(): UploadQueue;
  endpoint: string | null;
  /** A function is called before each request. */
  token: UploadOptions["token"];
  accept: string | null;
  multiple: boolean;
  maxFiles: number | undefined;
  /** In bytes; may be set as `"500 MB"`. */
  get maxSize(): number | undefined;
  set maxSize(value: number | string | undefined);
  /** In seconds. */
  maxDuration: number | undefined;
  parallelFiles: number | undefined;
  layout: "full" | "compact" | "button";
  /** Called before a file is sent; what it returns goes to `upload()`, as `{ videoId }`. */
  beforeUpload: QueueOptions["beforeUpload"];
  /** What follows a ready video's line, in the page's own markup: a player, a link. */
  readyContent: ((item: QueueItem) => HTMLElement | undefined) | undefined;
  /** A site's own words in place of single texts, by key. */
  texts: Partial<Texts>;
  name: string;
  required: boolean;
  disabled: boolean;
  /** The ids of the stored videos. */
  readonly videoIds: string[];
  /** The same, joined by commas. */
  readonly value: string;
  readonly form: HTMLFormElement | null;
  readonly validity: ValidityState | undefined;
  readonly validationMessage: string;
  readonly willValidate: boolean;
  checkValidity(): boolean;
  reportValidity(): boolean;

  addEventListener<Type extends keyof GreloupisUploaderEventMap>(
    type: Type,
    listener: (this: GreloupisUploaderElement, event: GreloupisUploaderEventMap[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "greloupis-uploader": GreloupisUploaderElement;
  }
}
