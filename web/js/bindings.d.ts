// What wasm-bindgen makes of `web/src/bindings.rs`.
import type { HostInterface, WasmOptions, WasmSource } from "./messages.js";

export default function init(options: { module_or_path: WasmSource }): Promise<unknown>;
export function onPanic(report: (text: string) => void): void;

export class UploadHandle {
  constructor(file: Blob, options: WasmOptions, host: HostInterface);
  cancel(): void;
  pause(paused: boolean): void;
  online(online: boolean): void;
  free(): void;
}
