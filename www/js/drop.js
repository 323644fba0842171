/** How files get onto the page: dropped anywhere, picked, or pasted. Yields plain lists of files. */

import { byId } from "./dom.js";

const INVITATION = byId("drop-note").textContent;

export function takeFiles(take) {
  const picker = byId("picker");
  picker.addEventListener("change", () => {
    take([...picker.files]);
    // So that choosing the same file again is a change, too.
    picker.value = "";
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
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth = 0;
    veil(false);
    take(filesOf(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    const files = filesOf(event.clipboardData);
    if (files.length > 0) take(files);
  });
}

const holdsFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;

function filesOf(transfer) {
  const items = [...(transfer?.items ?? [])].filter((item) => item.kind === "file");
  const folders = items.filter((item) => item.webkitGetAsEntry?.()?.isDirectory);
  byId("drop-note").textContent = folders.length > 0 ? "A folder can't be sent. Drop the files inside it." : INVITATION;
  return items.filter((item) => !folders.includes(item)).map((item) => item.getAsFile()).filter(Boolean);
}
