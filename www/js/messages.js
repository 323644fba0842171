/** Messages for the error codes of the edge that the list and the watch page can meet. Pure. */

const TRY_LATER = "Try again in a little while.";

/**
 * By error code: what happened, and what to do next.
 *
 * @type {Record<string, [summary: string, advice: string]>}
 */
const MESSAGES = {
  network: ["The server can't be reached.", "Look at your connection, then try again."],
  unauthorized: ["You have to sign in first.", "Try again with an access token."],
  auth_unavailable: ["Signing in isn't possible right now.", TRY_LATER],
  forbidden: ["This belongs to somebody else.", "Use the access token that it was sent with."],
  video_not_found: ["There is no such video.", "It may be somebody else's, or the link is incomplete."],
  bad_video_id: ["There is no such video.", "The link is incomplete."],
  throttled: ["There are too many requests right now.", TRY_LATER],
  catalog_unavailable: ["The list of videos can't be reached.", TRY_LATER],
  conversion_failed: [
    "This file couldn't be converted.",
    "If it plays on your device, export it as MP4 (H.264) and send that.",
  ],
};

/**
 * Summary and advice for an error of the API. An unknown code keeps the error's own message.
 *
 * @param {unknown} error
 */
export function describeError(error) {
  const { code = "", message = "" } = /** @type {{ code?: string, message?: string }} */ (error ?? {});
  const [summary, advice] = MESSAGES[code] ?? [
    message || "Something went wrong.",
    "The problem isn't on your side. If it happens again, tell the operator of this page.",
  ];
  return { summary, advice };
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
