// Changes the title of a video whose upload was opened with another one.

/** @import { UploadOptions } from "../index.js" */

const TIMEOUT_MS = 30_000;

/**
 * `PATCH /videos/{videoId}`. Resolves to whether the edge took the title; rejects where it can't be reached.
 *
 * @param {Pick<UploadOptions, "endpoint" | "token">} connection
 * @param {string} videoId
 * @param {string} title
 */
export async function saveTitle({ endpoint, token }, videoId, title) {
  const bearer = typeof token === "function" ? await token() : token;
  const response = await fetch(`${endpoint.replace(/\/+$/, "")}/videos/${videoId}`, {
    method: "PATCH",
    headers: { "content-type": "application/json", ...(bearer && { authorization: `Bearer ${bearer}` }) },
    body: JSON.stringify({ title }),
    signal: AbortSignal.timeout?.(TIMEOUT_MS),
  });
  return response.ok;
}
