// The messages between the page, its worker, other uploads and the wasm module.
import type { ReadyVideo, StoredFile, UploadEvent, UploadOptions } from "./index.js";

/** What a `WebAssembly` module is loaded from: compiled, its bytes, its response or its URL. */
export type WasmSource = WebAssembly.Module | BufferSource | Response | URL | string;

/** The options that the wasm module takes, see `UploadOptions` in `web/src/driver.rs`. */
export interface WasmOptions {
  endpoint: string;
  videoId?: string;
  title?: string;
  partSize?: number;
  concurrency?: number;
  allowAnyFile: boolean;
}

/** What the command `start` carries. */
export interface StartOptions extends WasmOptions {
  file: Blob;
  /** Kept for a later page load. */
  fileHandle?: FileSystemFileHandle;
  /** The id of a record whose upload is to be aborted instead. */
  abandon?: string;
  wasm?: WasmSource;
}

/** A frame of the video, to be drawn by the worker. */
export interface CapturedFrame {
  frame: VideoFrame | ImageBitmap;
  width: number;
  height: number;
}

/** What a page asks of a running upload. */
export type Command =
  | { command: "pause"; value: boolean }
  | { command: "cancel" }
  | { command: "online"; value: boolean };

/** Page to worker; without `id`, for all uploads. */
export type PageMessage =
  | { id: number; command: "start"; value: StartOptions }
  | { id: number; command: "token"; value: { request: number; token?: string; failed?: boolean } }
  | { id: number; command: "draw"; value: CapturedFrame }
  | ({ id: number } & Command)
  | { id?: undefined; command: "online"; value: boolean };

/** Events of the wasm module, with the results that `done` and `ready` take. */
export type EngineEvent =
  | Exclude<UploadEvent, { type: "uploaded" | "ready" }>
  | { type: "uploaded"; stored: StoredFile }
  | { type: "ready"; video: ReadyVideo }
  | { type: "failed"; code: string; message: string };

/** Worker to page. */
export type WorkerMessage =
  | { started: true }
  | { panic: string }
  | { id: number; event: EngineEvent }
  | { id: number; tokenRequest: number };

/** Between uploads of the same file: a question that the sender answers, its answer, its events. */
export type LockMessage = { joined: true } | { alive: true } | { event: EngineEvent };

/** A change of the records, see `RecordChange` in `web/src/records.rs`. */
export type RecordChange =
  | { op: "open"; upload: string; videoId: string; partSize: number; checksum: boolean; expiresAt?: number }
  | { op: "part"; part: number; crc?: string }
  | { op: "cancel" }
  | { op: "stored"; stored: StoredFile }
  | { op: "remove" };

/** The record of an unfinished upload. */
export interface UploadRecord {
  id: string;
  endpoint: string;
  fileName: string;
  size: number;
  lastModified: number;
  startedAt: number;
  handle?: FileSystemFileHandle;
  upload?: string;
  videoId?: string;
  partSize?: number;
  /** Whether the edge asked for the parts' checksums. */
  checksum?: boolean;
  /** In milliseconds since 1970. */
  expiresAt?: number;
  canceled?: boolean;
  stored?: StoredFile;
}

export interface PartRecord {
  id: string;
  part: number;
  /** CRC64NVME, base64. */
  crc?: string;
}

/** What `UploadHost` in `web/src/host.rs` expects. */
export interface HostInterface {
  onEvent(event: EngineEvent): void;
  persist(change: RecordChange): void;
  token(): Promise<string | undefined>;
  claim(fingerprint: string, slot: number): Promise<(UploadRecord & { parts: PartRecord[] }) | undefined>;
}

/** What an `Upload` is made with: checked options, and those of this package's own use. */
export interface CheckedOptions extends UploadOptions {
  abandon?: string;
}
