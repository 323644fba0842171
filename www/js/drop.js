/**
 * Takes files from drag and drop, the file picker and the clipboard, as lists of `{ file, handle? }`. A
 * `FileSystemFileHandle`, where the browser supports it, gives access to the file after a reload.
 */

import { elementById, inputById } from "./dom.js";

/** @typedef {{ file: File, handle?: FileSystemFileHandle }} FileEntry */

const DROP_NOTE = elementById("drop-note").textContent;

/** @param {(entries: FileEntry[]) => void} onFiles */
export function onFilesChosen(onFiles) {
  const picker = inputById("picker");
  picker.addEventListener("change", () => {
    onFiles([...(picker.files ?? [])].map((file) => ({ file })));
    // Without this, choosing the same file again fires no `change`.
    picker.value = "";
  });
  // Opens the picker that returns handles in place of the input's own.
  picker.addEventListener("click", async (event) => {
    if (!window.showOpenFilePicker) return;
    event.preventDefault();
    const picked = await pickWithHandles(picker.accept);
    if (picked) onFiles(picked);
  });

  // dragenter and dragleave fire for each element below the pointer; at depth 0 the pointer has left the page.
  let depth = 0;
  const showOverlay = (/** @type {boolean} */ on) => document.body.classList.toggle("dropping", on);
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    showOverlay(true);
  });
  addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth = Math.max(0, depth - 1);
    if (depth === 0) showOverlay(false);
  });
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    showOverlay(false);
    onFiles(await filesOf(event.dataTransfer));
  });
  addEventListener("paste", async (event) => {
    const files = await filesOf(event.clipboardData);
    if (files.length > 0) onFiles(files);
  });
}

/** @param {DragEvent} event */
const hasFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;

/**
 * The files chosen in the browser's picker; `undefined` if it was dismissed.
 *
 * @param {string} accept
 * @returns {Promise<FileEntry[] | undefined>}
 */
async function pickWithHandles(accept) {
  const extensions = /** @type {FileExtension[]} */ (accept.split(",").filter((type) => type.startsWith(".")));
  try {
    const handles = await showOpenFilePicker({
      id: "videos",
      startIn: "videos",
      multiple: true,
      types: [{ description: "Videos", accept: { "video/*": [".mp4", ".mov", ".webm", ".m4v", ...extensions] } }],
    });
    return await Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), handle })));
  } catch {
    return undefined;
  }
}

/**
 * Calls every item's getter before the first `await`: the browser empties the `DataTransfer` after the event.
 *
 * @param {DataTransfer | null} transfer
 * @returns {Promise<FileEntry[]>}
 */
async function filesOf(transfer) {
  const items = [...(transfer?.items ?? [])].filter((item) => item.kind === "file");
  const folders = items.filter((item) => item.webkitGetAsEntry?.()?.isDirectory);
  elementById("drop-note").textContent =
    folders.length > 0 ? "A folder can't be sent. Drop the files inside it." : DROP_NOTE;
  const entries = items
    .filter((item) => !folders.includes(item))
    .map(async (item) => {
      const file = item.getAsFile();
      const handle = await item.getAsFileSystemHandle?.().catch(() => undefined);
      const fileHandle = handle?.kind === "file" ? /** @type {FileSystemFileHandle} */ (handle) : undefined;
      return file ? [{ file, handle: fileHandle }] : [];
    });
  return (await Promise.all(entries)).flat();
}
