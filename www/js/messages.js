/** Messages for the error codes of the edge and the uploader. Pure. */

const TRY_LATER = "Try again in a little while.";
const START_OVER = "Send the file again from the start.";
const REPORT = "The problem isn't on your side. If it happens again, tell the operator of this page.";
const RELOAD = "Reload the page.";

/**
 * By error code: what happened, and what to do next.
 *
 * @type {Record<string, [summary: string, advice: string]>}
 */
const MESSAGES = {
  file_empty: ["This file is empty.", "Look at it on your device, then choose it again."],
  file_too_large: ["This file is larger than this page takes.", "Export it smaller or cut it into pieces."],
  file_unreadable: [
    "The file can't be read any more.",
    "If it was moved, renamed or is on a removed drive, choose it again.",
  ],
  file_changed: [
    "The file was changed while it was being sent.",
    "Once nothing writes to it any more, choose it again.",
  ],
  not_a_video: ["This file isn't a video.", "Choose one that plays on your device; most kinds are taken."],
  bad_video_id: ["The name for this video isn't allowed.", START_OVER],
  video_exists: ["This video has been stored before.", "Look for it under the earlier videos."],
  too_many_uploads: ["You have too many uploads open.", "Finish or cancel one of them first."],
  unauthorized: ["You have to sign in first.", "Try again with an access token."],
  auth_unavailable: ["Signing in isn't possible right now.", TRY_LATER],
  forbidden: ["This belongs to somebody else.", "Use the access token that it was sent with."],
  bad_upload: ["This upload isn't known here.", START_OVER],
  upload_expired: ["This upload took longer than it may.", START_OVER],
  upload_gone: ["This upload was removed before it was finished.", START_OVER],
  bad_part_numbers: ["Page and server disagree about this upload.", START_OVER],
  bad_checksum: ["Page and server disagree about this upload.", START_OVER],
  parts_missing: ["Some of the file didn't arrive.", "What arrived is kept. Try again in a little while."],
  size_mismatch: ["What arrived isn't as long as the file.", START_OVER],
  checksum_mismatch: [
    "What arrived isn't what was sent.",
    "Nothing wrong was stored. Send the file again, on another network if you can.",
  ],
  video_not_found: ["There is no such video.", "It may be somebody else's, or the link is incomplete."],
  not_found: ["The server doesn't know this page's request.", RELOAD],
  method_not_allowed: ["The server doesn't take this page's request.", RELOAD],
  bad_json: ["The server can't read this page's request.", RELOAD],
  bad_request: ["The server can't carry this out.", REPORT],
  body_too_large: ["The server can't take this page's request.", RELOAD],
  callback_failed: ["The site couldn't be notified of this video.", TRY_LATER],
  throttled: ["There are too many requests right now.", TRY_LATER],
  network: ["The server can't be reached.", "Look at your connection, then try again."],
  stalled: ["The connection has stalled.", "What arrived is kept. Look at your connection, then try again."],
  unavailable: ["The server has a temporary problem.", TRY_LATER],
  blocked: [
    "Something between this page and the server blocks the upload, such as a firewall or a sign-in page.",
    "What arrived is kept. Try again, on another network if you can.",
  ],
  bad_answer: ["The server's answer can't be read.", TRY_LATER],
  token_unavailable: ["The access token isn't available.", "Reload the page and sign in again."],
  not_loaded: ["Part of this page couldn't be loaded.", "Look at your connection, then try again."],
  storage_refused: ["The storage refused the file.", REPORT],
  no_space: ["The storage is full.", "What arrived is kept. Tell the operator of this page, then try again."],
  clocks_differ: ["The clocks of server and storage differ.", REPORT],
  storage_unavailable: ["The storage can't be reached.", TRY_LATER],
  transcoder_unavailable: ["The converter can't be reached.", TRY_LATER],
  transcoder_refused: ["The converter doesn't take this file.", "Export it as MP4 (H.264) and send that."],
  catalog_unavailable: ["The list of videos can't be reached.", TRY_LATER],
  conversion_failed: [
    "This file couldn't be converted.",
    "If it plays on your device, export it as MP4 (H.264) and send that.",
  ],
  conversion_canceled: ["The conversion was stopped.", "Send the file again if you want it after all."],
  internal: ["Something went wrong.", REPORT],
};

/** Errors that the same file would cause again. */
const FILE_ERRORS = [
  "file_empty",
  "file_too_large",
  "not_a_video",
  "video_exists",
  "transcoder_refused",
  "conversion_failed",
];

/**
 * Summary and advice for an error of the API or of the uploader, and whether a retry can help. An unknown code keeps
 * the error's own message.
 *
 * @param {unknown} error
 */
export function describeError(error) {
  const { code = "", message = "" } = /** @type {{ code?: string, message?: string }} */ (error ?? {});
  const [summary, advice] = MESSAGES[code] ?? [message || "Something went wrong.", REPORT];
  return { summary, advice, retryable: !FILE_ERRORS.includes(code) };
}

/**
 * Why a conversion failed, for the small print: MediaConvert's message without `s3://` URLs, and its code. Empty if
 * the video has no error.
 *
 * @param {import("@greloupis/uploader").Video | undefined} video
 */
export function conversionError(video) {
  if (!video?.error) return "";
  return `${video.error.message.replace(/ s3:\/\/\S+/g, "")} (${video.error.code})`;
}

/**
 * Whether there is a message for an error code.
 *
 * @param {string} code
 */
export const hasMessage = (code) => Object.hasOwn(MESSAGES, code);
