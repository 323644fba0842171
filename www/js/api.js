/** Requests to the edge about videos. Uploads are made by `@greloupis/uploader`. */

import { getToken, requestToken } from "./auth.js";

/**
 * @typedef {import("@greloupis/uploader").Video} Video
 * @typedef {{ videos: Video[], cursor?: string }} VideoPage
 * @typedef {{ method?: string, body?: object, etag?: string, signal?: AbortSignal }} RequestOptions
 */

export const ENDPOINT = "/api";

const MIN_POLL_INTERVAL_MS = 1000;
const MAX_POLL_INTERVAL_MS = 5000;
const POLL_BACKOFF_FACTOR = 1.5;

/** An error reply of the API, or `network` when there was no reply. `code` is stable, `message` one sentence. */
export class ApiError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "ApiError";
    this.code = code;
  }
}

/**
 * @param {string} path
 * @param {RequestOptions} [options]
 * @returns {Promise<Response>}
 */
async function request(path, { method, body, etag, signal } = {}) {
  for (;;) {
    const token = getToken();
    /** @type {Record<string, string>} */
    const headers = {};
    if (token) headers.authorization = `Bearer ${token}`;
    if (etag) headers["if-none-match"] = etag;
    if (body) headers["content-type"] = "application/json";
    let response;
    try {
      // The browser cache is bypassed because the ETag is sent explicitly.
      const init = { method, body: body && JSON.stringify(body), headers, signal };
      response = await fetch(ENDPOINT + path, { ...init, cache: "no-store" });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError("network", "The server can't be reached.");
    }
    if (response.ok || response.status === 304) return response;
    if (response.status === 401 && (await requestToken(token))) continue;
    const problem = await response.json().catch(() => ({}));
    throw new ApiError(problem.code ?? "internal", problem.detail ?? `The server answered ${response.status}.`);
  }
}

/**
 * One page of the caller's videos, newest first.
 *
 * @param {{ limit: number, cursor?: string }} options
 * @returns {Promise<VideoPage>}
 */
export async function listVideos({ limit, cursor }) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (cursor) query.set("cursor", cursor);
  return (await request(`/videos?${query}`)).json();
}

/**
 * @param {string} id
 * @param {RequestOptions} [options]
 * @returns {Promise<Video>}
 */
export async function getVideo(id, options) {
  return (await request(`/videos/${encodeURIComponent(id)}`, options)).json();
}

/**
 * @param {string} id
 * @param {string} title
 * @returns {Promise<Video>}
 */
export async function changeTitle(id, title) {
  return (await request(`/videos/${encodeURIComponent(id)}`, { method: "PATCH", body: { title } })).json();
}

/**
 * Deletes a video, its file and its outputs. Succeeds if that was done before.
 *
 * @param {string} id
 */
export async function deleteVideo(id) {
  await request(`/videos/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** @param {Video} video */
export const isFinal = (video) => ["ready", "failed", "canceled"].includes(video.status);

/**
 * Calls `onChange(video)` now and at each change until the video is final or `signal` aborts. The interval grows
 * from 1 s to 5 s while nothing changes. Network and internal errors are retried; any other is thrown.
 *
 * @param {string} id
 * @param {(video: Video) => void} onChange
 * @param {AbortSignal} signal
 */
export async function pollVideo(id, onChange, signal) {
  /** @type {string | undefined} */
  let etag;
  let intervalMs = MIN_POLL_INTERVAL_MS;
  while (!signal.aborted) {
    try {
      const response = await request(`/videos/${encodeURIComponent(id)}`, { etag, signal });
      if (response.status !== 304) {
        etag = response.headers.get("etag") ?? undefined;
        /** @type {Video} */
        const video = await response.json();
        if (signal.aborted) return;
        onChange(video);
        if (isFinal(video)) return;
        intervalMs = MIN_POLL_INTERVAL_MS;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isRetryable(error)) throw error;
    }
    await sleep(intervalMs, signal);
    intervalMs = Math.min(MAX_POLL_INTERVAL_MS, intervalMs * POLL_BACKOFF_FACTOR);
  }
}

/** @param {unknown} error */
function isRetryable(error) {
  return error instanceof ApiError && (error.code === "network" || error.code === "internal");
}

/**
 * Resolves after `ms` milliseconds or when `signal` aborts.
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done, { once: true });
  });
}
