/** What this browser called the videos it sent: the server keeps ids only. Newest last, a few hundred at most. */

import { day } from "./words.js";

const KEY = "greloupis.names";
const MOST = 300;

function read() {
  try {
    return new Map(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
  } catch {
    return new Map();
  }
}

export function remember(id, name) {
  const names = read();
  names.delete(id);
  names.set(id, name);
  try {
    localStorage.setItem(KEY, JSON.stringify([...names].slice(-MOST)));
  } catch {
    // No room or no permission: the video is shown by its date, as on any other device.
  }
}

/** The name that the video was sent under, or one made of its date. */
export function nameOf(video) {
  return read().get(video.videoId) ?? `Video of ${day(video.createdAt)}`;
}
