import type { ReadyVideo, ResumableUpload, resumable, Upload, UploadOptions, UploadState, upload } from "../index.js";

/**
 * The list of files of one uploader, without a page. `<greloupis-uploader>` has one as `queue`, the React hook returns
 * one; a page of its own design makes one:
 *
 * ```ts
 * import { UploadQueue } from "@greloupis/uploader/queue";
 *
 * const queue = new UploadQueue({ endpoint: "/api", multiple: true });
 * queue.subscribe(() => {
 *   const { items, totals } = queue.getSnapshot();
 *   console.log(`${totals.stored} of ${totals.files} stored`, items.map(({ title, state }) => [title, state]));
 * });
 * const input = document.querySelector("input");
 * input?.addEventListener("change", () => queue.add(input.files ?? []));
 * ```
 */
export class UploadQueue extends EventTarget {
  constructor(options?: QueueOptions, engine?: Engine);
  /** Setting it takes effect for files that are added or started from then on. */
  options: QueueOptions;
  /** Where events are dispatched as well. */
  parent?: EventTarget;
  readonly items: readonly QueueItem[];
  /** Whether leaving the page now would interrupt an upload. */
  readonly isSending: boolean;
  /** The list as it is. The same object until something changes, as `useSyncExternalStore` asks for. */
  getSnapshot(): QueueSnapshot;
  /** Calls `listener` after changes: progress at most ten times a second, all else at once. Returns what ends that. */
  subscribe(listener: () => void): () => void;
  /**
   * Adds files; those that the limits allow are sent one after the other. Captions (`.vtt`, `.srt`) go to the video that
   * they belong to, in the list or among the files: to `film.mp4` those whose name begins with `film`, or to the only
   * one. Their language is that of their name, as in `film.de.vtt`. Returns the added items.
   */
  add(files: Iterable<File | QueueFile>): QueueItem[];
  /** Starts no further parts: of one file, or of all. */
  pause(which?: QueueItem | string): void;
  /** Continues one paused file, or all. */
  resume(which?: QueueItem | string): void;
  /** Ends one upload, or all that aren't stored yet, and removes their parts from the storage. */
  cancel(which?: QueueItem | string): void;
  /** Sends one failed or canceled file again, or all that have failed. */
  retry(which?: QueueItem | string): void;
  /** Takes one file, or all, off the list. What isn't stored yet is canceled; videos stay. */
  remove(which?: QueueItem | string): void;
  /** Takes finished and canceled files off the list; videos stay. */
  clearFinished(): void;
  /**
   * Sets the title of a file, or of its video if the upload has begun: 1–200 characters. Fires `titlechange`, also if the
   * edge doesn't take it and it goes back.
   */
  setTitle(which: QueueItem | string, title: string): void;
  /** Empties `rejected` of the snapshot. */
  dismissRejected(): void;
  /** Loads what earlier page loads left unfinished into `unfinished` of the snapshot. */
  loadUnfinished(): Promise<void>;
  /**
   * Continues an unfinished upload: with its handle, else with the file that the user has chosen again. Returns whether
   * it goes on; `false` asks for the file. To be called in a click, as the browser may ask for permission.
   */
  continue(left: ResumableUpload, file?: File): Promise<boolean>;
  /** Removes an unfinished upload here and on the server. */
  forget(left: ResumableUpload): Promise<void>;

  addEventListener<Type extends keyof UploadQueueEventMap>(
    type: Type,
    listener: (event: UploadQueueEventMap[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** What sends the files; a test may bring another. */
export interface Engine {
  upload: typeof upload | ((file: Blob | FileSystemFileHandle, options: UploadOptions) => Upload);
  resumable: typeof resumable;
}

export interface QueueOptions extends Pick<UploadOptions, "token" | "partSize" | "concurrency" | "allowAnyFile"> {
  /** The edge's URL. Files wait in the list until there is one. */
  endpoint?: string;
  /** As in `<input type="file">`. Default: any file, and the container probe refuses what is no video. */
  accept?: string;
  /** Takes more than one file. Default: `false`. */
  multiple?: boolean;
  /** How many files the list takes, failed and canceled ones not counted. Default: any number. */
  maxFiles?: number;
  /** In bytes. Default: what the server takes. */
  maxSize?: number;
  /** In seconds. A longer video fails with `too_long` before a byte of it is sent. Default: any length. */
  maxDuration?: number;
  /** Files that are sent at once; each already sends several parts at once. Default: 2. */
  parallelFiles?: number;
  /**
   * Called before a file is sent; what it returns goes to `upload()`: a site that makes its videos itself returns
   * `{ videoId }`. A rejection fails the file with that error's message.
   */
  beforeUpload?(item: QueueItem): Partial<UploadOptions> | undefined | Promise<Partial<UploadOptions> | undefined>;
}

/** A file and, where the browser has one, its handle: with it, a later page load continues by one click. */
export interface QueueFile {
  file: File;
  handle?: FileSystemFileHandle;
}

export type ItemState = "queued" | UploadState;

/** One file of the list. It never changes; a change makes another with the same `id`. */
export interface QueueItem {
  readonly id: string;
  readonly file: File;
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** The file's name without its extension, until it is edited. */
  readonly title: string;
  readonly state: ItemState;
  /** With the state `"waiting"`: for another upload of the same file, which is paused, as in another tab. */
  readonly isPausedElsewhere: boolean;
  /** Bytes; never goes back but for a retry. */
  readonly sent: number;
  readonly bytesPerSecond: number;
  readonly etaSeconds?: number;
  /** Set while a failed request waits to be sent again. */
  readonly retrying?: { attempt: number; inMs: number; reason: string };
  /** Set while the endpoint hasn't answered at all for 10 s: a sentence that says where nothing answers. */
  readonly unreachable?: string;
  /** Of the conversion, 0–100. */
  readonly percent: number;
  /** An object URL of a picture of the video; valid until the item is removed or sent again. */
  readonly poster?: string;
  readonly durationMs?: number;
  readonly width?: number;
  readonly height?: number;
  /** Once the file is stored. */
  readonly videoId?: string;
  /** Once it is converted. */
  readonly video?: ReadyVideo;
  readonly error?: { code: string; message: string };
  /** The video's captions, sent once the video is stored. */
  readonly captions: readonly CaptionsFile[];
  /** Whether a failed file may succeed when it is sent again. */
  readonly isRetryable: boolean;
}

export interface CaptionsFile {
  readonly file: File;
  readonly name: string;
  readonly state: "queued" | "uploading" | "uploaded" | "failed";
  /** With the state `"failed"`. Adding the file again sends it again. */
  readonly error?: { code: string; message: string };
}

export type RejectionCode =
  | "not_accepted"
  | "too_large"
  | "too_many_files"
  | "file_empty"
  | "duplicate"
  /** Captions without a video in the list that they belong to. */
  | "no_video_for_captions";

export interface RejectedFile {
  file: File;
  code: RejectionCode;
}

export interface QueueSnapshot {
  readonly items: readonly QueueItem[];
  /** What earlier page loads left unfinished, see {@link UploadQueue.loadUnfinished}. */
  readonly unfinished: readonly ResumableUpload[];
  /** Files that were left out when files were last added. */
  readonly rejected: readonly RejectedFile[];
  readonly totals: QueueTotals;
}

export interface QueueTotals {
  readonly files: number;
  /** Not stored yet, paused ones included. */
  readonly unsent: number;
  readonly paused: number;
  /** Stored, ready ones included. */
  readonly stored: number;
  readonly converting: number;
  readonly ready: number;
  readonly failed: number;
  readonly canceled: number;
  /** Bytes, without failed and canceled files. */
  readonly sent: number;
  readonly total: number;
  readonly bytesPerSecond: number;
  /** Absent while nothing is sent. */
  readonly etaSeconds?: number;
}

/** The events of the list, and of `<greloupis-uploader>`, where they bubble. */
export interface UploadQueueEventMap {
  /** Files were chosen. Leave files out by changing the array, or all by `preventDefault()`. */
  filesadded: CustomEvent<{ files: File[] }>;
  /** A file is on the list already and is left out, unless `preventDefault()` is called. */
  duplicate: CustomEvent<{ file: File; item: QueueItem }>;
  filesrejected: CustomEvent<{ rejected: RejectedFile[] }>;
  uploadstart: CustomEvent<{ item: QueueItem }>;
  uploadprogress: CustomEvent<{ item: QueueItem }>;
  /** A file is stored and verified. */
  uploaded: CustomEvent<{ item: QueueItem; videoId: string }>;
  conversionprogress: CustomEvent<{ item: QueueItem }>;
  /** A video can be played: `video.urls.hls`. */
  ready: CustomEvent<{ item: QueueItem; video: ReadyVideo }>;
  uploaderror: CustomEvent<{ item: QueueItem; error: { code: string; message: string } }>;
  uploadcanceled: CustomEvent<{ item: QueueItem }>;
  titlechange: CustomEvent<{ item: QueueItem; title: string }>;
  fileremoved: CustomEvent<{ item: QueueItem }>;
  /** Something of the list has changed; progress at most ten times a second. */
  queuechange: CustomEvent<{ snapshot: QueueSnapshot }>;
}
