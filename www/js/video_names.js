/** Caches the titles of the videos that this browser sent: the server stores ids only. Newest last. */

import { formatDate } from "./format.js";

const STORAGE_KEY = "greloupis.names";
const MAX_NAMES = 300;

/** @returns {Map<string, string>} */
function load() {
  try {
    return new Map(JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "[]"));
  } catch {
    return new Map();
  }
}

/**
 * @param {string} id
 * @param {string} name
 */
export function rememberName(id, name) {
  const names = load();
  names.delete(id);
  names.set(id, name);
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify([...names].slice(-MAX_NAMES)));
  } catch {
    // Storage is full or not permitted: the video is shown by its date, as on any other device.
  }
}

/**
 * The title that the video was sent under, or a name made of its date.
 *
 * @param {import("@greloupis/uploader").Video} video
 */
export function videoName(video) {
  return load().get(video.videoId) ?? `Video of ${formatDate(video.createdAt)}`;
}
