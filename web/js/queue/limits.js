// Decides by name, type and size whether a file is taken. The content is examined later, by the container probe.

/** @import { QueueOptions, RejectionCode } from "./index.js" */

/** The files that a dialog offers: videos and captions; many systems know no media type for some of these. */
export const VIDEO_FILES = "video/*,.mkv,.avi,.flv,.m2ts,.mts,.mxf,.rm,.rmvb,.ts,.wmv,.vtt,.srt";

/**
 * Why a file isn't taken; `undefined` if it is.
 *
 * @param {File} file
 * @param {Pick<QueueOptions, "accept" | "maxSize">} options
 * @returns {RejectionCode | undefined}
 */
export function rejectionReason(file, { accept, maxSize = Number.POSITIVE_INFINITY }) {
  if (file.size === 0) return "file_empty";
  if (accept && !isAccepted(file, accept)) return "not_accepted";
  if (file.size > maxSize) return "too_large";
  return undefined;
}

/**
 * Whether a list as in the attribute `accept` of `<input type="file">` has the file. A file without a known media type
 * passes `video/*`, as the container probe knows better.
 *
 * @param {Pick<File, "name" | "type">} file
 * @param {string} accept
 */
export function isAccepted({ name, type }, accept) {
  const tokens = accept
    .toLowerCase()
    .split(",")
    .map((token) => token.trim())
    .filter(Boolean);
  const lower = { name: name.toLowerCase(), type: type.toLowerCase() };
  return (
    tokens.length === 0 ||
    tokens.some((token) => {
      if (token.startsWith(".")) return lower.name.endsWith(token);
      if (token.endsWith("/*")) return lower.type === "" || lower.type.startsWith(token.slice(0, -1));
      return lower.type === token;
    })
  );
}

/** Whether a file of a folder is taken as a video, by type or name. @param {Pick<File, "name" | "type">} file */
export const looksLikeVideo = ({ name, type }) =>
  type.startsWith("video/") ||
  /\.(3gp|avi|flv|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|mxf|ogv|rm|rmvb|ts|webm|wmv)$/i.test(name);
