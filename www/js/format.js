/** Formats sizes, durations, dates and video properties as text. Pure. */

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"];

/**
 * The index in `BYTE_UNITS` of the largest decimal unit that `count` reaches.
 *
 * @param {number} count
 */
function unitIndex(count) {
  return count < 1000 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log10(count) / 3));
}

/**
 * A size in bytes, in decimal units: `104 MB`.
 *
 * @param {number} count
 */
export function formatBytes(count) {
  const unit = unitIndex(count);
  const value = count / 1000 ** unit;
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/**
 * `40.2 of 104.0 MB`: both in the unit of the total, so that the width of the text stays constant.
 *
 * @param {number} sent
 * @param {number} total
 */
export function formatBytesOf(sent, total) {
  const unit = unitIndex(total);
  const digits = unit === 0 ? 0 : 1;
  return `${(sent / 1000 ** unit).toFixed(digits)} of ${(total / 1000 ** unit).toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/**
 * The remaining time, from seconds; empty if it is unknown.
 *
 * @param {number | undefined} seconds
 */
export function formatTimeLeft(seconds) {
  if (seconds === undefined || !Number.isFinite(seconds)) return "";
  if (seconds < 2) return "a moment left";
  if (seconds < 90) return `${Math.round(seconds)} s left`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min left`;
  return `${Math.round(seconds / 3600)} h left`;
}

/**
 * A position or duration in milliseconds: `1:05`, `1:00:07`.
 *
 * @param {number} ms
 */
export function formatDuration(ms) {
  const seconds = Math.round(ms / 1000);
  const pad = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/**
 * A date and time (RFC 3339, or milliseconds since 1970) in the reader's locale; empty if it is invalid.
 *
 * @param {string | number} time
 */
export function formatDateTime(time) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  return date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/**
 * The date of an RFC 3339 time in the reader's locale; empty if it is invalid.
 *
 * @param {string} time
 */
function formatDate(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleDateString(undefined, { dateStyle: "medium" });
}

/**
 * A video's title, or a name made of its date.
 *
 * @param {import("@greloupis/uploader").Video} video
 */
export function videoName({ title, createdAt }) {
  return title ?? `Video of ${formatDate(createdAt)}`;
}

/**
 * Duration and dimensions in pixels, as far as they are known: `1:05 · 1920 × 1080`.
 *
 * @param {{ durationMs?: number, width?: number, height?: number }} media
 */
export function formatMediaInfo({ durationMs, width, height }) {
  const items = [];
  if (durationMs) items.push(formatDuration(durationMs));
  if (width && height) items.push(`${width} × ${height}`);
  return items.join(" · ");
}

/**
 * Duration, dimensions and size of a video, in one line.
 *
 * @param {import("@greloupis/uploader").Video} video
 */
export function formatVideoInfo(video) {
  return [formatMediaInfo(video), formatBytes(video.size)].filter(Boolean).join(" · ");
}
