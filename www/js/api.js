/** Calls to the edge about videos. Sending files is the uploader's. */

import * as access from "./access.js";

export const ENDPOINT = "/api";

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 5000;

/** A refusal of the API, or `network` when there was no answer. `code` is stable, `message` one sentence. */
export class ApiError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "ApiError";
    this.code = code;
  }
}

async function get(path, { etag, signal } = {}) {
  for (;;) {
    const sent = access.token();
    const headers = {};
    if (sent) headers.authorization = `Bearer ${sent}`;
    if (etag) headers["if-none-match"] = etag;
    let answer;
    try {
      // What the browser's own cache thinks of it doesn't matter: the ETag is sent by hand.
      answer = await fetch(ENDPOINT + path, { headers, signal, cache: "no-store" });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError("network", "The server can't be reached.");
    }
    if (answer.ok || answer.status === 304) return answer;
    if (answer.status === 401 && (await access.ask(sent))) continue;
    const problem = await answer.json().catch(() => ({}));
    throw new ApiError(problem.code ?? "internal", problem.detail ?? `The server answered ${answer.status}.`);
  }
}

/** One page of the caller's videos, newest first: `{ videos, cursor? }`. */
export async function listVideos({ limit, cursor } = {}) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (cursor) query.set("cursor", cursor);
  return (await get(`/videos?${query}`)).json();
}

export async function getVideo(id, options) {
  return (await get(`/videos/${encodeURIComponent(id)}`, options)).json();
}

export const isFinal = (video) => ["ready", "failed", "canceled"].includes(video.status);

/**
 * Calls `changed(video)` now and at each change until the video is final or `signal` aborts. Asks every
 * second at first, then ever less until something moves; a server that is away is asked again.
 */
export async function follow(id, changed, signal) {
  let etag;
  let wait = FIRST_WAIT;
  while (!signal.aborted) {
    try {
      const answer = await get(`/videos/${encodeURIComponent(id)}`, { etag, signal });
      if (answer.status !== 304) {
        etag = answer.headers.get("etag") ?? undefined;
        const video = await answer.json();
        if (signal.aborted) return;
        changed(video);
        if (isFinal(video)) return;
        wait = FIRST_WAIT;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.code !== "network" && error.code !== "internal") throw error;
    }
    await pause(wait, signal);
    wait = Math.min(LONGEST_WAIT, wait * 1.5);
  }
}

function pause(ms, signal) {
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
