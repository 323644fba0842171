/** Numbers, times and errors in plain words. Pure. */

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** A size in bytes, in decimal units: `104 MB`. */
export function bytes(count) {
  const power = count < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  const digits = power === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[power]}`;
}

/** `40.2 of 104 MB`: both in the unit of the whole, so that the text keeps its width. */
export function bytesOf(sent, total) {
  const power = total < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(total) / 3));
  const digits = power === 0 ? 0 : 1;
  return `${(sent / 1000 ** power).toFixed(digits)} of ${(total / 1000 ** power).toFixed(digits)} ${UNITS[power]}`;
}

/** Time left, from seconds; empty while nobody can know. */
export function left(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 2) return "a moment left";
  if (seconds < 90) return `${Math.round(seconds)} s left`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min left`;
  return `${Math.round(seconds / 3600)} h left`;
}

/** A position or length in milliseconds as a clock: `1:05`, `1:00:07`. */
export function clock(ms) {
  const seconds = Math.round(ms / 1000);
  const two = (value) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A moment of the API (RFC 3339) in the reader's own way. */
export function moment(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** The day of a moment of the API. */
export function day(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleDateString(undefined, { dateStyle: "medium" });
}

/** How long and how large the picture is, as far as that is known. */
export function shape({ durationMs, width, height }) {
  const parts = [];
  if (durationMs) parts.push(clock(durationMs));
  if (width && height) parts.push(`${width} × ${height}`);
  return parts.join(" · ");
}

/** What a finished video is, in one line. */
export function facts(video) {
  return [shape(video), bytes(video.size)].filter(Boolean).join(" · ");
}

const LATER = "Try again in a little while.";
const START_OVER = "Send the file again from the start.";
const NOT_YOU = "It isn't your fault. If it happens again, tell whoever runs this page.";

// What happened, and what to do next, by the stable code of the error.
const PROBLEMS = {
  file_empty: ["This file is empty.", "Look at it on your device, then choose it again."],
  file_too_large: ["This file is larger than this page takes.", "Export it smaller or cut it into pieces."],
  file_unreadable: ["The file can't be read any more.", "If it was moved, renamed or is on a removed drive, choose it again."],
  file_changed: ["The file was changed while it was being sent.", "Once nothing writes to it any more, choose it again."],
  not_a_video: ["This file isn't a video.", "Choose one that plays on your device; most kinds are taken."],
  bad_video_id: ["The name for this video isn't allowed.", START_OVER],
  video_exists: ["This video has been stored before.", "Look for it under the earlier videos."],
  too_many_uploads: ["You have too many uploads open.", "Finish or cancel one of them first."],
  unauthorized: ["You have to sign in first.", "Try again with an access token."],
  auth_unavailable: ["Nobody can sign in right now.", LATER],
  forbidden: ["This belongs to somebody else.", "Use the access token that it was sent with."],
  bad_upload: ["This upload isn't known here.", START_OVER],
  upload_expired: ["This upload took longer than it may.", START_OVER],
  upload_gone: ["This upload was removed before it was finished.", START_OVER],
  bad_part_numbers: ["Page and server disagree about this upload.", START_OVER],
  parts_mismatch: ["Some of the file didn't arrive.", START_OVER],
  size_mismatch: ["What arrived isn't as long as the file.", START_OVER],
  checksum_mismatch: ["What arrived isn't what was sent.", "Nothing wrong was stored. Send the file again, on another network if you can."],
  video_not_found: ["There is no such video.", "It may be somebody else's, or the link is incomplete."],
  not_found: ["The server doesn't know this page's request.", "Reload the page."],
  method_not_allowed: ["The server doesn't take this page's request.", "Reload the page."],
  bad_json: ["The server can't read this page's request.", "Reload the page."],
  bad_request: ["The server can't carry this out.", NOT_YOU],
  body_too_large: ["The server can't take this page's request.", "Reload the page."],
  callback_failed: ["The site didn't take the news of this video.", LATER],
  throttled: ["Too much is going on right now.", LATER],
  network: ["The server can't be reached.", "Look at your connection, then try again."],
  stalled: ["The connection has gone silent.", "What arrived is kept. Look at your connection, then try again."],
  unavailable: ["The server has a passing trouble.", LATER],
  refused: ["The server refuses the request.", NOT_YOU],
  bad_answer: ["The server's answer makes no sense.", LATER],
  token_unavailable: ["The access token can't be had.", "Reload the page and sign in again."],
  not_loaded: ["A piece of this page is missing.", "Look at your connection, then try again."],
  storage_refused: ["The storage refused the file.", NOT_YOU],
  no_space: ["The storage is full.", "What arrived is kept. Tell whoever runs this page, then try again."],
  clocks_differ: ["The clocks of server and storage differ.", NOT_YOU],
  storage_unavailable: ["The storage can't be reached.", LATER],
  transcoder_unavailable: ["The converter can't be reached.", LATER],
  transcoder_refused: ["The converter doesn't take this file.", "Export it as MP4 (H.264) and send that."],
  catalog_unavailable: ["The list of videos can't be reached.", LATER],
  conversion_failed: ["This file couldn't be converted.", "If it plays on your device, export it as MP4 (H.264) and send that."],
  conversion_canceled: ["The conversion was stopped.", "Send the file again if you want it after all."],
  internal: ["Something went wrong.", NOT_YOU],
};

// The same file would fail the same way.
const OF_THE_FILE = ["file_empty", "file_too_large", "not_a_video", "video_exists", "transcoder_refused", "conversion_failed"];

/**
 * An error of the API or of the uploader as `{ what, next, again }`: two sentences, and whether trying again
 * can help. One that isn't known keeps its own sentence.
 */
export function problem({ code, message } = {}) {
  const [what, next] = PROBLEMS[code] ?? [message || "Something went wrong.", NOT_YOU];
  return { what, next, again: !OF_THE_FILE.includes(code) };
}

/** Why a conversion gave no video, for the small print: its sentence, without addresses in the storage, and number. */
export function reason(video) {
  if (!video?.error) return "";
  return `${video.error.message.replace(/ s3:\/\/\S+/g, "")} (${video.error.code})`;
}

/** Whether `problem` has words of its own for a code. */
export const hasWords = (code) => Object.hasOwn(PROBLEMS, code);
