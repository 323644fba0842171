// Files that are dragged over, dropped on or pasted into an area.

import { filesOf, hasFiles } from "../queue/picked_files.js";

/** @import { QueueFile } from "../queue/index.js" */

/**
 * Listens until `signal` is aborted.
 *
 * @param {EventTarget} area
 * @param {{ isEnabled(): boolean, onDragging(isDragging: boolean): void, onFiles(files: QueueFile[]): void }} callbacks
 * @param {AbortSignal} signal
 */
export function listenForFiles(area, { isEnabled, onDragging, onFiles }, signal) {
  /** Elements inside the area that are entered and not left yet. */
  let entered = 0;
  /** @param {string} type @param {(event: any) => void} listener */
  const listen = (type, listener) => area.addEventListener(type, listener, { signal });
  const leave = () => {
    entered = 0;
    onDragging(false);
  };
  listen("dragenter", (/** @type {DragEvent} */ event) => {
    if (!hasFiles(event.dataTransfer) || !isEnabled()) return;
    event.preventDefault();
    entered += 1;
    onDragging(true);
  });
  listen("dragleave", (/** @type {DragEvent} */ event) => {
    if (!hasFiles(event.dataTransfer)) return;
    entered -= 1;
    if (entered <= 0) leave();
  });
  listen("dragover", (/** @type {DragEvent} */ event) => {
    if (!hasFiles(event.dataTransfer) || !event.dataTransfer) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = isEnabled() ? "copy" : "none";
  });
  listen("drop", async (/** @type {DragEvent} */ event) => {
    if (!hasFiles(event.dataTransfer) || !event.dataTransfer) return;
    event.preventDefault();
    event.stopPropagation();
    leave();
    if (isEnabled()) onFiles(await filesOf(event.dataTransfer));
  });
  listen("paste", async (/** @type {ClipboardEvent} */ event) => {
    if (!hasFiles(event.clipboardData) || !event.clipboardData || !isEnabled()) return;
    event.preventDefault();
    onFiles(await filesOf(event.clipboardData));
  });
}

/**
 * Keeps a file that is dropped beside the area from replacing the page.
 *
 * @param {AbortSignal} signal
 */
export function keepPage(signal) {
  const isTaken = (/** @type {Event} */ event) =>
    event.defaultPrevented || event.composedPath().some((target) => target instanceof HTMLInputElement);
  for (const type of ["dragover", "drop"]) {
    addEventListener(
      type,
      (event) => {
        const { dataTransfer } = /** @type {DragEvent} */ (event);
        if (!hasFiles(dataTransfer) || !dataTransfer || isTaken(event)) return;
        event.preventDefault();
        dataTransfer.dropEffect = "none";
      },
      { signal },
    );
  }
}
