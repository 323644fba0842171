/**
 * Starts to send `file` in parts straight to S3. A file that an earlier page load has begun to send to the same
 * endpoint goes on where it was. Given by its handle, it need not be picked again after a reload, see
 * {@link resumable}.
 *
 * Throws a `TypeError` for what is no `Blob` and no handle, and for an option that is unknown or out of its range;
 * every other failure arrives through {@link Upload.done} and {@link Upload.ready}.
 */
export function upload(file: Blob | FileSystemFileHandle, options: UploadOptions): Upload;

/** What earlier page loads of this site left unfinished and no other tab is sending, the newest first. */
export function resumable(): Promise<ResumableUpload[]>;

/** Chooses where wasm and worker come from. To be called before the first upload. */
export function init(options?: InitOptions): void;

export interface InitOptions {
  /** The wasm: its URL, its bytes, its `Response`, or compiled. Default: `uploader.wasm` beside `worker.js`. */
  wasm?: string | URL | Request | Response | BufferSource | WebAssembly.Module | Promise<Response>;
  /**
   * The URL of `worker.js`, of the page's own origin; `false` runs the engine on the page's thread. Default:
   * `worker.js` beside `index.js`; where no worker can be started, the page's thread.
   */
  worker?: string | URL | false;
}

export interface UploadOptions {
  /** The edge's URL; a relative one is relative to the page. */
  endpoint: string;
  /**
   * The bearer token for the edge. A function is asked before each call, so that a token which runs out
   * during a long upload can be renewed. Default: none is sent.
   */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** Aborting it is the same as {@link Upload.cancel}. */
  signal?: AbortSignal;
  /** 1–64 of `A-Z a-z 0-9 _ -`. Default: the edge makes one. */
  videoId?: string;
  /** In bytes: a whole number of MiB from 5 MiB to 5 GiB. Default: chosen by the file's size and the line, 8–64 MiB. */
  partSize?: number;
  /** Parts in flight at once, 1–100. Default: `"auto"`. */
  concurrency?: number | "auto";
  /**
   * `"auto"` compares the CRC64NVME of each part and of the whole with what the storage computes, where it
   * does. `"off"` computes nothing. Default: `"auto"`.
   */
  checksum?: "auto" | "off";
  /**
   * Sends what is no video of a known kind, too; without it, such a file fails with `not_a_video` before anything
   * is sent. Default: `false`.
   */
  allowAnyFile?: boolean;
}

/**
 * A running upload. As an async iterable it yields events from the moment on at which it is iterated, and ends
 * with the video's being ready, or with a failure.
 */
export interface Upload extends AsyncIterable<UploadEvent> {
  /** Resolves once the file is stored and verified; rejects with an {@link UploadError}. */
  readonly done: Promise<StoredFile>;
  /** Resolves once the video is converted; rejects with an {@link UploadError}. */
  readonly ready: Promise<Video>;
  readonly state: UploadState;
  /** Begins nothing new; parts that are in flight may finish. */
  pause(): void;
  resume(): void;
  /**
   * Stops the upload and removes its parts from the storage; `done` and `ready` reject with the code
   * `canceled`. After `done`, stops only watching the conversion.
   */
  cancel(): void;
}

export type UploadState =
  | "starting"
  | "uploading"
  /** By {@link Upload.pause}, in this tab or another with the same file. */
  | "paused"
  /** For the network; goes on by itself. */
  | "waiting"
  /** Completes, and compares checksums. */
  | "finishing"
  | "uploaded"
  /** In place of `"uploaded"`: stored, but no checksum of the whole was compared. */
  | "unverified"
  | "converting"
  | "ready"
  | "failed"
  | "canceled";

export type UploadEvent =
  | {
      /** What the look into the file has found, before a byte is sent. What is unknown is absent. */
      type: "media";
      /** The true type, whatever the file's name says. */
      mime: string;
      durationMs?: number;
      /** In pixels, as displayed: after rotation. */
      width?: number;
      height?: number;
      /** Degrees clockwise, as stored: 0, 90, 180 or 270. */
      rotation: number;
      /** In the container's own words: `avc1`, `V_VP9`. */
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
      /** Absent while nothing moves. */
      etaSeconds?: number;
    }
  | { type: "state"; state: UploadState }
  | {
      type: "retry";
      /** Absent if it is a call to the edge that is tried again. */
      partNumber?: number;
      /** How often this has failed so far. */
      attempt: number;
      inMs: number;
      /** The code of the failure. */
      reason: string;
    }
  | { type: "uploaded"; videoId: string }
  | {
      type: "converting";
      /** 0–100; never goes back. */
      percent: number;
    }
  | { type: "ready"; video: Video };

export interface StoredFile {
  videoId: string;
  /** The object's key in the upload bucket. */
  key: string;
  /** In bytes. */
  size: number;
  /** CRC64NVME as the storage computed it, base64 of eight bytes; absent if it computes none. */
  checksum?: string;
  /** Whether it was compared with the file's own; `false` comes with the state `"unverified"`. */
  verified: boolean;
}

/** An upload that an earlier page load left unfinished. */
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
  /** Leads to the file; to be given to {@link upload}. Absent if it was begun without one. */
  handle?: FileSystemFileHandle;
  /** Removes it here, and its parts from the storage. Never rejects for the server's being away. */
  forget(options?: Pick<UploadOptions, "token">): Promise<void>;
}

export interface Video {
  videoId: string;
  status: "uploading" | "uploaded" | "converting" | "ready" | "failed" | "canceled";
  /** Of the conversion, 0–100. */
  progress: number;
  /** The uploaded file's size, in bytes. */
  size: number;
  durationMs?: number;
  width?: number;
  height?: number;
  urls?: {
    /** The HLS master playlist. */
    hls: string;
    /** By height: `"540"`, `"720"`, `"1080"`. */
    mp4: Record<string, string>;
    thumbnails: string[];
    poster?: string;
  };
  error?: { code: string; message: string };
  /** RFC 3339, UTC. */
  createdAt: string;
  /** RFC 3339, UTC. */
  updatedAt: string;
}

/** The only thing `done` and `ready` reject with. */
export class UploadError extends Error {
  /** A stable word: one of these, or one of the edge's. */
  readonly code:
    | "canceled"
    | "network"
    | "stalled"
    | "file_unreadable"
    | "file_changed"
    | "not_a_video"
    | "no_space"
    | "clocks_differ"
    | "storage_refused"
    | "storage_unavailable"
    | "throttled"
    | "unavailable"
    | "refused"
    | "bad_answer"
    | "token_unavailable"
    | "checksum_mismatch"
    | "size_mismatch"
    | "parts_mismatch"
    | "upload_gone"
    | "conversion_failed"
    | "conversion_canceled"
    | "not_loaded"
    | "internal"
    | (string & {});
}
