// Keeps one file from being sent by two uploads at once, in one page or in several tabs: one sends it, the others wait
// and follow its events. Nothing that a waiting upload does reaches the one that sends.

import { withTimeout } from "./timeout.js";

/** @import { EngineEvent, LockMessage } from "./messages.js" */
/** @typedef {{ onEvent?(event: EngineEvent): void, onStolen?(): void }} Listener */

/** A sender that is alive answers in a few milliseconds. */
const ANSWER_TIMEOUT_MS = 500;
/** Some browsers never answer a request for a lock. */
const REQUEST_TIMEOUT_MS = 3000;
const ASK_INTERVAL_MS = 5000;
/** After so many unanswered questions in a row, the sender counts as frozen. */
const MAX_UNANSWERED = 3;

/** Ends of an upload aren't followed: after any of them, the next upload goes on by itself. */
const FOLLOWED_STATES = ["uploading", "paused", "waiting", "finishing"];
const isFollowed = (/** @type {EngineEvent} */ event) =>
  event.type === "state" ? FOLLOWED_STATES.includes(event.state) : ["progress", "retry"].includes(event.type);

/**
 * A channel between the uploads of one file; without effect where the browser has none.
 * @param {string} name
 * @param {(message: LockMessage) => void} onMessage
 */
function openChannel(name, onMessage) {
  try {
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }) => onMessage(data);
    return {
      exists: true,
      post(/** @type {LockMessage} */ message) {
        try {
          channel.postMessage(message);
        } catch {
          // Nobody hears it.
        }
      },
      close: () => channel.close(),
    };
  } catch {
    return { exists: false, post() {}, close() {} };
  }
}

/**
 * Whether an upload answers on the channel of that name.
 * @param {string} name
 */
export async function isSending(name) {
  /** @type {(value: unknown) => void} */
  let onAnswer = () => {};
  const answer = new Promise((resolve) => (onAnswer = resolve));
  const channel = openChannel(name, onAnswer);
  channel.post({ joined: true });
  const answered = channel.exists
    ? withTimeout(answer, ANSWER_TIMEOUT_MS).then(
        () => true,
        () => false,
      )
    : false;
  try {
    return await answered;
  } finally {
    channel.close();
  }
}

/**
 * The names of the locks that any tab holds; none where the browser doesn't say.
 * @returns {Promise<Set<string | undefined>>}
 */
export async function heldLocks() {
  try {
    const { held = [] } = await withTimeout(navigator.locks.query(), REQUEST_TIMEOUT_MS);
    return new Set(held.map(({ name }) => name));
  } catch {
    return new Set();
  }
}

/** A Web Lock with a channel of the same name. */
export class UploadLock {
  #name;
  #listener;
  /** @type {ReturnType<typeof openChannel> | undefined} */
  #channel;
  #isHeld = false;
  #isWaiting = false;
  #hasStolen = false;
  #isReleased = false;
  /** Ends the wait in the browser's queue. */
  #queue = new AbortController();
  #releaseLock = () => {};
  /** Questions since the sender's last message. */
  #unanswered = 0;
  /** The newest event of each type, for uploads that join later. @type {EngineEvent[]} */
  #lastEvents = [];

  /**
   * @param {string} name
   * @param {Listener} [listener]
   */
  constructor(name, listener = {}) {
    this.#name = name;
    this.#listener = listener;
  }

  get isHeld() {
    return this.#isHeld;
  }

  /** Another upload sends the file. */
  get isWaiting() {
    return this.#isWaiting;
  }

  /** The lock was taken from an upload that counted as frozen. */
  get hasStolen() {
    return this.#hasStolen;
  }

  /**
   * Resolves to whether this upload may send: at once, or with `wait` after the sender's end.
   * `false` if another sends and can't be waited for, or after `release`.
   */
  async acquire({ wait = true } = {}) {
    let held = await withTimeout(this.#request({ ifAvailable: true }), REQUEST_TIMEOUT_MS).catch(() => undefined);
    // Without locks, as on pages that came over plain HTTP, the channel alone tells.
    const hasLocks = held !== undefined;
    if (!hasLocks) held = !(await isSending(this.#name));
    if (!this.#isReleased) this.#channel = openChannel(this.#name, (message) => this.#onMessage(message));
    if (!held && hasLocks && wait && !this.#isReleased) held = await this.#wait();
    if (!held || this.#isReleased) {
      this.release();
      return false;
    }
    this.#isHeld = true;
    // Others that are about to count the sender as frozen wait on.
    this.#channel?.post({ alive: true });
    return true;
  }

  /**
   * Sends an event to the uploads that follow this one.
   * @param {EngineEvent} event
   */
  broadcast(event) {
    if (!this.#isHeld || !isFollowed(event)) return;
    this.#channel?.post({ event });
    this.#lastEvents = [...this.#lastEvents.filter(({ type }) => type !== event.type), event];
  }

  release() {
    this.#isHeld = false;
    this.#isReleased = true;
    this.#channel?.close();
    this.#channel = undefined;
    this.#queue.abort();
    this.#releaseLock();
  }

  /** Waits for the sender's end and takes the lock from one that is frozen. */
  #wait() {
    this.#isWaiting = true;
    return new Promise((resolve) => {
      const ask = () => {
        if (this.#channel?.exists && this.#unanswered >= MAX_UNANSWERED) {
          this.#queue.abort();
          this.#hasStolen = true;
          this.#request({ steal: true }).then(end);
          clearInterval(timer);
          return;
        }
        this.#unanswered += 1;
        this.#channel?.post({ joined: true });
      };
      const timer = setInterval(ask, ASK_INTERVAL_MS);
      const end = (/** @type {boolean | undefined} */ held) => {
        clearInterval(timer);
        this.#isWaiting = false;
        resolve(held);
      };
      const { signal } = this.#queue;
      this.#request({ signal }).then((held) => {
        if (!signal.aborted || this.#isReleased) end(held);
      });
      ask();
    });
  }

  /**
   * @param {LockOptions} options
   * @returns {Promise<boolean | undefined>} whether the lock is held; `undefined` where the browser has no locks
   */
  #request(options) {
    return new Promise((resolve) => {
      let answered = false;
      const onLock = (/** @type {Lock | null} */ lock) => {
        answered = true;
        resolve(Boolean(lock) && !this.#isReleased);
        return lock && !this.#isReleased && new Promise((release) => (this.#releaseLock = () => release(undefined)));
      };
      const onRefused = () => {
        if (answered && this.#isHeld) this.#onStolen();
        resolve(undefined);
      };
      try {
        navigator.locks.request(this.#name, options, onLock).catch(onRefused);
      } catch {
        onRefused();
      }
    });
  }

  #onStolen() {
    this.release();
    this.#listener.onStolen?.();
  }

  /** @param {LockMessage} message */
  #onMessage(message) {
    if (this.#isHeld) {
      if (!("joined" in message)) return;
      this.#channel?.post({ alive: true });
      for (const event of this.#lastEvents) this.#channel?.post({ event });
    } else if (!("joined" in message)) {
      this.#unanswered = 0;
      if ("event" in message && isFollowed(message.event)) this.#listener.onEvent?.(message.event);
    }
  }
}
