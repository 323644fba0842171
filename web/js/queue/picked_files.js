// Files of a drop or a paste, those of folders included, with their handles where the browser has them.

import { isCaptions } from "./captions.js";
import { looksLikeVideo } from "./limits.js";

/** @import { QueueFile } from "./index.js" */

/** Whether a drag or a paste brings files. @param {DataTransfer | null} transfer */
export const hasFiles = (transfer) => transfer?.types.includes("Files") ?? false;

/**
 * The files of a drop or a paste. To be called in the event itself, as the list is empty afterwards.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<QueueFile[]>}
 */
export async function filesOf(transfer) {
  const items = [...transfer.items].filter(({ kind }) => kind === "file").map(fileOf);
  return (await Promise.all(items)).flat();
}

/** @param {DataTransferItem & { getAsFileSystemHandle?(): Promise<FileSystemHandle | null> }} item */
function fileOf(item) {
  const entry = item.webkitGetAsEntry?.();
  if (entry?.isDirectory) return filesIn(/** @type {FileSystemDirectoryEntry} */ (entry));
  const file = item.getAsFile();
  const handle = Promise.resolve(item.getAsFileSystemHandle?.()).catch(() => undefined);
  return handle.then((found) => {
    const own = found?.kind === "file" ? /** @type {FileSystemFileHandle} */ (found) : undefined;
    return file ? [{ file, handle: own }] : [];
  });
}

/**
 * The videos and captions in a folder and its folders. Others are left out silently, as every folder has some.
 *
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<QueueFile[]>}
 */
async function filesIn(folder) {
  const reader = folder.createReader();
  /** @type {QueueFile[]} */
  const files = [];
  for (;;) {
    // A call yields some of the entries only; the last one none.
    const entries = await new Promise((/** @type {(found: FileSystemEntry[]) => void} */ resolve) =>
      reader.readEntries(resolve, () => resolve([])),
    );
    if (entries.length === 0) return files;
    for (const entry of entries) {
      if (entry.name.startsWith(".")) continue;
      if (entry.isDirectory) files.push(...(await filesIn(/** @type {FileSystemDirectoryEntry} */ (entry))));
      else files.push(...(await fileIn(/** @type {FileSystemFileEntry} */ (entry))));
    }
  }
}

/** @param {FileSystemFileEntry} entry @returns {Promise<QueueFile[]>} */
const fileIn = (entry) =>
  new Promise((resolve) =>
    entry.file(
      (file) => resolve(isTaken(file) ? [{ file }] : []),
      () => resolve([]),
    ),
  );

/** Whether a file of a folder is taken. @param {File} file */
const isTaken = (file) => looksLikeVideo(file) || isCaptions(file);

/** The videos and captions among the files of a folder that was chosen in a dialog. @param {Iterable<File>} files */
export const videosOf = (files) => [...files].filter((file) => isTaken(file) && !file.name.startsWith("."));
