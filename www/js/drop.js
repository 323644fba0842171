/**
 * How files get onto the page: dropped anywhere, picked, or pasted. Yields plain lists of `{ file, handle? }`;
 * a handle, where the browser gives one, still leads to the file after a reload.
 */

import { byId } from "./dom.js";

const INVITATION = byId("drop-note").textContent;

export function takeFiles(take) {
  const picker = byId("picker");
  picker.addEventListener("change", () => {
    take([...picker.files].map((file) => ({ file })));
    // So that choosing the same file again is a change, too.
    picker.value = "";
  });
  // The same field and the same keys; only what opens is the browser's dialog that gives handles.
  picker.addEventListener("click", async (event) => {
    if (!window.showOpenFilePicker) return;
    event.preventDefault();
    const picked = await pick(picker.accept);
    if (picked) take(picked);
  });

  // Elements below the pointer come and go; the depth tells when it has left the page itself.
  let depth = 0;
  const veil = (on) => document.body.classList.toggle("dropping", on);
  addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    depth += 1;
    veil(true);
  });
  addEventListener("dragleave", (event) => {
    if (!holdsFiles(event)) return;
    depth = Math.max(0, depth - 1);
    if (depth === 0) veil(false);
  });
  addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", async (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth = 0;
    veil(false);
    take(await filesOf(event.dataTransfer));
  });
  addEventListener("paste", async (event) => {
    const files = await filesOf(event.clipboardData);
    if (files.length > 0) take(files);
  });
}

const holdsFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;

/** What the person picks, in the browser's dialog for handles; nothing if that was closed. */
async function pick(accept) {
  const endings = accept.split(",").filter((kind) => kind.startsWith("."));
  try {
    const types = [{ description: "Videos", accept: { "video/*": [".mp4", ".mov", ".webm", ".m4v", ...endings] } }];
    const handles = await showOpenFilePicker({ id: "videos", startIn: "videos", multiple: true, types });
    return await Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), handle })));
  } catch {
    return undefined;
  }
}

/** Everything is asked for before the first wait: after it, the browser has emptied what was dropped. */
function filesOf(transfer) {
  const items = [...(transfer?.items ?? [])].filter((item) => item.kind === "file");
  const folders = items.filter((item) => item.webkitGetAsEntry?.()?.isDirectory);
  byId("drop-note").textContent = folders.length > 0 ? "A folder can't be sent. Drop the files inside it." : INVITATION;
  const taken = items.filter((item) => !folders.includes(item)).map(async (item) => {
    const file = item.getAsFile();
    const handle = await item.getAsFileSystemHandle?.().catch(() => {});
    return file && { file, handle: handle ?? undefined };
  });
  return Promise.all(taken).then((files) => files.filter(Boolean));
}
