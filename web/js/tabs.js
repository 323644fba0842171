// Keeps one file from being sent by two tabs: one sends it, the others follow its events and forward commands.

/** @import { Command, EngineEvent, TabMessage } from "./messages.js" */
/** @typedef {{ onEvent(event: EngineEvent): void, onCommand(command: Command): void, onSenderFailed(): void }} Listener */

const FOLLOWED = ["state", "progress", "retry", "failed"];

/** A Web Lock with a channel of the same name. */
export class TabLock {
  #name;
  #listener;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  #following = false;
  #releaseLock = () => {};
  /** The newest event of each type, for tabs that join later. @type {EngineEvent[]} */
  #lastEvents = [];

  /**
   * @param {string} name
   * @param {Listener} listener
   */
  constructor(name, listener) {
    this.#name = name;
    this.#listener = listener;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#onMessage(data);
  }

  /** Resolves when this tab holds the lock; to whether another tab held it before. */
  async acquire() {
    if (await this.#request({ ifAvailable: true })) return false;
    this.#following = true;
    this.#post({ joined: true });
    await this.#request({});
    this.#following = false;
    return true;
  }

  /**
   * Sends an event to the tabs that follow this one.
   * @param {EngineEvent} event
   */
  broadcast(event) {
    if (this.#following) return;
    this.#post({ event });
    this.#lastEvents = [...this.#lastEvents.filter(({ type }) => type !== event.type), event];
  }

  /**
   * Sends a command to the tab that this one follows.
   * @param {Command} command
   */
  forward(command) {
    if (this.#following) this.#post({ command });
  }

  release() {
    this.#channel?.close();
    this.#channel = undefined;
    this.#releaseLock();
  }

  /** @param {TabMessage} message */
  #post(message) {
    this.#channel?.postMessage(message);
  }

  /**
   * @param {LockOptions} options
   * @returns {Promise<boolean>} whether the lock is held
   */
  #request(options) {
    return new Promise((resolve) => {
      navigator.locks.request(this.#name, options, (lock) => {
        resolve(Boolean(lock));
        return lock && new Promise((release) => (this.#releaseLock = () => release(undefined)));
      });
    });
  }

  /** @param {TabMessage} message */
  #onMessage(message) {
    if (this.#following) {
      if (!("event" in message) || !FOLLOWED.includes(message.event.type)) return;
      this.#listener.onEvent(message.event);
      if (message.event.type === "failed") this.#listener.onSenderFailed();
    } else if ("joined" in message) {
      for (const event of this.#lastEvents) this.#post({ event });
    } else if ("command" in message) {
      this.#listener.onCommand(message.command);
    }
  }
}
