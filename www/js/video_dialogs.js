/** The dialogs that change a video's title and delete a video. */

import { changeTitle, deleteVideo } from "./api.js";
import { buttonById, dialogById, elementById, inputById } from "./dom.js";
import { videoName } from "./format.js";
import { describeError } from "./messages.js";

/** @typedef {import("@greloupis/uploader").Video} Video */

for (const id of ["rename", "delete"]) {
  buttonById(`${id}-cancel`).addEventListener("click", () => dialogById(`${id}-dialog`).close());
}

/**
 * Asks for another title. Resolves to the changed video; to nothing if the user cancels.
 *
 * @param {Video} video
 * @returns {Promise<Video | undefined>}
 */
export async function askForTitle(video) {
  const field = inputById("rename-title");
  field.value = videoName(video);
  const changing = submitted("rename", () => changeTitle(video.videoId, field.value));
  field.select();
  return changing;
}

/**
 * Asks for confirmation, and deletes the video. Resolves to whether it is deleted.
 *
 * @param {Video} video
 */
export async function askToDelete(video) {
  elementById("delete-name").textContent = videoName(video);
  const deleted = await submitted("delete", () => deleteVideo(video.videoId).then(() => true));
  return deleted ?? false;
}

/**
 * Opens a dialog until `action`, which submitting its form starts, succeeds or the user closes it. An error is shown in
 * the dialog.
 *
 * @template T
 * @param {"rename" | "delete"} id
 * @param {() => Promise<T>} action
 * @returns {Promise<T | undefined>}
 */
function submitted(id, action) {
  const dialog = dialogById(`${id}-dialog`);
  const note = elementById(`${id}-note`);
  const closed = new AbortController();
  note.textContent = "";
  return new Promise((resolve) => {
    dialog.addEventListener(
      "submit",
      async (event) => {
        event.preventDefault();
        try {
          resolve(await action());
          dialog.close();
        } catch (error) {
          const { summary, advice } = describeError(error);
          note.textContent = `${summary} ${advice}`;
        }
      },
      { signal: closed.signal },
    );
    dialog.addEventListener(
      "close",
      () => {
        closed.abort();
        resolve(undefined);
      },
      { once: true },
    );
    dialog.showModal();
  });
}
