/**
 * Uploads `file` in parts straight to S3. If an earlier page load has sent a part of a file of the same name and bytes to
 * the same endpoint, only the rest is sent. A file given by its handle needs no new file dialog after a reload, see
 * {@link resumable}.
 *
 * Throws a `TypeError` if `file` is no `Blob` and no handle, or if an option is unknown or out of its range. Every other
 * failure rejects {@link Upload.done} and {@link Upload.ready}.
 *
 * ```ts
 * import { type UploadOptions, upload } from "@greloupis/uploader";
 *
 * export async function send(file: File, token: UploadOptions["token"]) {
 *   const run = upload(file, { endpoint: "/api", token });
 *   for await (const event of run) {
 *     if (event.type === "progress") console.log(`${event.sent} of ${event.total} bytes`);
 *   }
 *   const { videoId } = await run.done;
 *   const { urls } = await run.ready;
 *   return { videoId, playlist: urls.hls };
 * }
 * ```
 */
export function upload(file: Blob | FileSystemFileHandle, options: UploadOptions): Upload;

/**
 * The unfinished uploads of earlier page loads of this site that no other tab is sending, the newest first.
 *
 * ```ts
 * import { resumable, upload } from "@greloupis/uploader";
 *
 * // In a click, as the browser may ask for permission to read the file.
 * export async function continueAll() {
 *   for (const left of await resumable()) {
 *     if (left.handle) upload(left.handle, { endpoint: left.endpoint });
 *   }
 * }
 * ```
 */
export function resumable(): Promise<ResumableUpload[]>;

/**
 * Sets where the wasm and the worker are loaded from. To be called before the first upload.
 *
 * ```ts
 * import { init } from "@greloupis/uploader";
 *
 * init({ wasm: "/static/uploader.wasm", worker: "/static/worker.js" });
 * ```
 */
export function init(options?: InitOptions): void;

export interface InitOptions {
  /** The wasm: its URL, its bytes, its `Response`, or a compiled module. Default: `uploader.wasm` beside `index.js`. */
  wasm?: string | URL | TrustedUrl | Request | Response | BufferSource | WebAssembly.Module | Promise<Response>;
  /**
   * The URL of `worker.js`, of the page's own origin; `false` runs the wasm on the page's thread. Default: `worker.js`
   * beside `index.js`, and the page's thread where no worker can be started.
   */
  worker?: string | URL | TrustedUrl | false;
}

/** A `TrustedScriptURL`, or what a polyfill has in its place. */
export interface TrustedUrl {
  toJSON(): string;
  toString(): string;
}

export interface UploadOptions {
  /** The edge's URL; a relative one is relative to the page. */
  endpoint: string;
  /**
   * The bearer token for the edge. A function is called before each request, so that a token that expires during a
   * long upload can be renewed. Default: no token is sent.
   */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** Aborting it is the same as {@link Upload.cancel}. */
  signal?: AbortSignal;
  /**
   * 1–64 of `A-Z a-z 0-9 _ -`. Default: the edge makes one. With the id of a video that is there, a `.vtt` or `.srt`
   * file becomes captions of that video, in the language that its name tells: `film.de.vtt`.
   */
  videoId?: string;
  /** The video's title, 1–200 characters. Default: the file's name without its extension. */
  title?: string;
  /** In bytes: a whole number of MiB from 5 MiB to 5 GiB. Default: 8–64 MiB, by the file's size and the throughput. */
  partSize?: number;
  /** Parts in flight at once, 1–100. Default: `"auto"`. */
  concurrency?: number | "auto";
  /**
   * Skips the container probe's verdict: a file that is no video of a known kind is sent, too. Without it, such a file
   * fails with `not_a_video` before anything is sent. Default: `false`.
   */
  allowAnyFile?: boolean;
}

/**
 * A running upload. As an async iterable it yields the events from the start of the iteration on, and ends when the
 * video is ready or the upload has failed.
 */
export interface Upload extends AsyncIterable<UploadEvent> {
  /** Resolves once the file is stored and verified; rejects with an {@link UploadError}. */
  readonly done: Promise<StoredFile>;
  /** Resolves once the video is converted; rejects with an {@link UploadError}. */
  readonly ready: Promise<ReadyVideo>;
  readonly state: UploadState;
  /** The thread that sends: `"page"` where no worker can be started. Absent until it has started. */
  readonly engine?: "worker" | "page";
  /** Starts no further requests; parts in flight may finish. */
  pause(): void;
  resume(): void;
  /**
   * Stops this upload alone, no other of the same file, and removes its parts from the storage; `done` and `ready` reject with the code
   * `canceled`. After `done`, only stops polling the conversion.
   */
  cancel(): void;
}

export type UploadState =
  | "starting"
  | "uploading"
  /** By {@link Upload.pause}. */
  | "paused"
  /** Waiting for the network, or for another upload of the same file that is paused; continues by itself. */
  | "waiting"
  /** Completing, and comparing checksums. */
  | "finishing"
  | "uploaded"
  /** In place of `"uploaded"`: stored, but the storage computes no checksums. */
  | "unverified"
  | "converting"
  | "ready"
  | "failed"
  | "canceled";

export type UploadEvent =
  | {
      /** The container's metadata, before a byte is sent. Unknown fields are absent. */
      type: "media";
      /** The media type by content, not by the file's name. */
      mime: string;
      durationMs?: number;
      /** In pixels, as displayed: after rotation. */
      width?: number;
      height?: number;
      /** Degrees clockwise, as stored: 0, 90, 180 or 270. */
      rotation: number;
      /** As the container names it: `avc1`, `V_VP9`. */
      videoCodec?: string;
      audioCodec?: string;
    }
  | {
      /** A picture of the video, where the browser can play it. */
      type: "poster";
      /** A JPEG, at most 640 pixels wide. */
      image: Blob;
    }
  | {
      type: "progress";
      /** Bytes handed to the network; never goes back. */
      sent: number;
      /** The file's size, in bytes. */
      total: number;
      /** Over the last five seconds. */
      bytesPerSecond: number;
      /** Absent while nothing is sent. */
      etaSeconds?: number;
    }
  | {
      type: "state";
      state: UploadState;
      /** With `"waiting"`: for another upload of the same file, which is paused. */
      pausedElsewhere?: boolean;
    }
  | {
      type: "retry";
      /** Absent if a call to the edge is retried. */
      partNumber?: number;
      /** How many times in a row it has failed so far. */
      attempt: number;
      inMs: number;
      /** The code of the error. */
      reason: string;
    }
  | {
      /** The endpoint hasn't answered at all for 10 s. The upload is tried on for two minutes. At most once. */
      type: "unreachable";
      /** A sentence for people: where nothing answers, and why that may be. */
      message: string;
    }
  | { type: "uploaded"; videoId: string }
  | {
      type: "converting";
      /** 0–100; never goes back. */
      percent: number;
    }
  | { type: "ready"; video: ReadyVideo };

export interface StoredFile {
  videoId: string;
  /** The object's key in the upload bucket. */
  key: string;
  /** In bytes. */
  size: number;
  /** CRC64NVME as the storage computed it, base64 of eight bytes; absent if it computes none. */
  checksum?: string;
  /** Whether the storage has verified each part and `checksum`; `false` comes with the state `"unverified"`. */
  verified: boolean;
}

/** An unfinished upload of an earlier page load. */
export interface ResumableUpload {
  endpoint: string;
  fileName: string;
  /** In bytes. */
  size: number;
  /** In milliseconds since 1970; 0 if unknown. */
  lastModified: number;
  /** In milliseconds since 1970. */
  startedAt: number;
  videoId?: string;
  /** Bytes in parts that are stored. */
  sent: number;
  /** To be passed to {@link upload}. Absent if the upload was started without a handle. */
  handle?: FileSystemFileHandle;
  /** Removes it here, and its parts from the storage. Doesn't reject if the server can't be reached. */
  forget(options?: Pick<UploadOptions, "token">): Promise<void>;
}

export interface Video {
  videoId: string;
  /** Absent in videos of earlier versions. */
  title?: string;
  status: "uploading" | "uploaded" | "converting" | "ready" | "failed" | "canceled";
  /** Progress of the conversion, 0–100. */
  progress: number;
  /** The uploaded file's size, in bytes. */
  size: number;
  durationMs?: number;
  width?: number;
  height?: number;
  urls?: {
    /** The HLS master playlist. */
    hls: string;
    /** By the length of the short side: `"540"`, `"720"`, `"1080"`. */
    mp4: Record<string, string>;
    thumbnails: string[];
    poster?: string;
    /** WebVTT: a picture of each few seconds, for a player's time range. */
    storyboard?: string;
  };
  error?: { code: string; message: string };
  /** RFC 3339, UTC. */
  createdAt: string;
  /** RFC 3339, UTC. */
  updatedAt: string;
}

/** A video that can be played. */
export interface ReadyVideo extends Video {
  status: "ready";
  urls: NonNullable<Video["urls"]>;
}

/**
 * The reason of every rejection of `done` and `ready`. Its `message` is a sentence for people.
 *
 * ```ts
 * import { UploadError, upload } from "@greloupis/uploader";
 *
 * export async function tryToSend(file: File) {
 *   try {
 *     return await upload(file, { endpoint: "/api" }).done;
 *   } catch (error) {
 *     if (error instanceof UploadError && error.code === "not_a_video") alert(error.message);
 *     else throw error;
 *   }
 * }
 * ```
 */
export class UploadError extends Error {
  /** A stable code: one of these, or one of the edge's. */
  readonly code:
    | "canceled"
    | "network"
    | "blocked"
    | "stalled"
    | "file_unreadable"
    | "file_changed"
    | "not_a_video"
    | "not_captions"
    | "no_space"
    | "clocks_differ"
    | "storage_refused"
    | "storage_unavailable"
    | "storage_unreachable"
    | "throttled"
    | "unavailable"
    | "bad_answer"
    | "token_unavailable"
    | "checksum_mismatch"
    | "size_mismatch"
    | "parts_missing"
    | "upload_gone"
    | "conversion_failed"
    | "conversion_canceled"
    | "not_loaded"
    | "internal"
    | (string & {});
}
