// Sums over the files of a list. Pure.

/** @import { QueueItem, QueueTotals } from "./index.js" */

const UNSENT_STATES = ["queued", "starting", "uploading", "paused", "waiting", "finishing"];

/** Whether a file is to be sent and isn't stored yet. @param {Pick<QueueItem, "state">} item */
export const isUnsent = ({ state }) => UNSENT_STATES.includes(state);

/** Whether a file is stored. @param {Pick<QueueItem, "state" | "videoId">} item */
export const isStored = ({ state, videoId }) =>
  videoId !== undefined && ["uploaded", "unverified", "converting", "ready"].includes(state);

/**
 * @param {readonly QueueItem[]} items
 * @returns {QueueTotals}
 */
export function totalsOf(items) {
  const totals = {
    ...{ files: items.length, unsent: 0, paused: 0, stored: 0, converting: 0, ready: 0, failed: 0, canceled: 0 },
    ...{ sent: 0, total: 0, bytesPerSecond: 0 },
  };
  let remaining = 0;
  for (const item of items) {
    const { state } = item;
    if (state === "failed" || state === "canceled") {
      totals[state] += 1;
      continue;
    }
    totals.sent += item.sent;
    totals.total += item.size;
    if (isUnsent(item)) {
      totals.unsent += 1;
      if (state === "paused") totals.paused += 1;
      else remaining += item.size - item.sent;
    } else {
      totals.stored += 1;
      if (state === "ready") totals.ready += 1;
      else totals.converting += 1;
    }
    if (state === "uploading") totals.bytesPerSecond += item.bytesPerSecond;
  }
  const etaSeconds = totals.bytesPerSecond > 0 ? remaining / totals.bytesPerSecond : undefined;
  return Object.freeze({ ...totals, etaSeconds });
}
