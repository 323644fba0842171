// What the engine has done for it in a browser: requests, reads and waits. Each has a number, by which the engine
// hears of its end. Knows nothing of uploads.

/** Read at a time where one buffer serves all reads, in bytes: stays in the processor's cache. */
const SIP = 2 ** 18;
/** Read at a time elsewhere, in bytes: hashed in a millisecond, so that the page stays alive. */
const PIECE = 2 ** 20;
/** Read and hashed at a stretch, in milliseconds; a page may be still for 50 without anyone noticing. */
const WORK_MS = 20;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** To be extended by what stands around the engine: `web/src/host.rs` says what it needs besides. */
export class Browser {
  /** The engine's `Run`, and the file that it sends. */
  run;
  file;
  #begun = new Map();

  /** Does one thing; the engine hears of its end, never right away, and not at all once it has it stopped. */
  begin(number, what, about) {
    this.#begun.set(number, () => {});
    const ended = (well) => (value) => this.#begun.delete(number) && this.run.heard(number, well, value);
    (async () => this[what](about, number))().then(ended(true), ended(false));
  }

  stop(number) {
    const stop = this.#begun.get(number);
    this.#begun.delete(number);
    stop?.();
  }

  async wait(ms) {
    await wait(ms);
  }

  /** One request by `XMLHttpRequest`, the only thing in a browser that reports upload progress. Of a `part`, the file's
      bytes are sent by the browser itself, piece by piece, and the engine is told how many are on their way. */
  async send({ method, url, headers, signed, json, part, start, end }, number) {
    const xhr = new XMLHttpRequest();
    this.#begun.set(number, () => xhr.abort());
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers ?? JSON.parse(signed))) xhr.setRequestHeader(name, value);
    if (part) xhr.upload.onprogress = ({ loaded }) => this.#begun.has(number) && this.run.moved(part, loaded);
    // It comes after success, error, timeout and abort alike.
    const ended = new Promise((resolve) => (xhr.onloadend = resolve));
    xhr.send(part ? this.file.slice(start, end) : json && JSON.stringify(json));
    await ended;
    const { status, responseText: text } = xhr;
    // All at once, as asking for one that CORS hides is an error on the console.
    const lines = xhr.getAllResponseHeaders().trim().split("\r\n");
    const answered = Object.fromEntries(lines.map((line) => line.split(/: (.*)/)));
    const timing = part && performance.getEntriesByName(url).at(-1);
    return {
      ...{ status, text, headers: answered },
      json: part ? undefined : parse(text, status >= 200 && status < 300),
      retryAfter: Number(answered["retry-after"]),
      multiplexed: /^h[23]/.test(timing?.nextHopProtocol),
    };
  }

  /** The bytes of a range of the file. */
  async read({ start, end }) {
    return new Uint8Array(await this.file.slice(start, end).arrayBuffer());
  }

  /** The same piece by piece, to be had with `next`; what it gives is good until the next one. */
  async *pieces({ start, end }) {
    const slice = this.file.slice(start, end);
    let reader;
    try {
      reader = slice.stream().getReader({ mode: "byob" });
    } catch {
      // Files can't be read so everywhere.
      for (; start < end; start += PIECE) yield this.read({ start, end: Math.min(start + PIECE, end) });
      return;
    }
    let buffer = new ArrayBuffer(SIP);
    let since = performance.now();
    for (;;) {
      // The view takes the buffer away and the answer brings it back; full, where the browser knows `min`: it has
      // less to say, then, and less to clean up.
      const { done, value } = await reader.read(new Uint8Array(buffer), { min: SIP });
      if (value?.length) yield value;
      if (done) return;
      buffer = value.buffer;
      // Bytes that are there already come without a pause in which the page could do anything else.
      if (performance.now() - since > WORK_MS) {
        await (globalThis.scheduler?.yield?.() ?? wait(0));
        since = performance.now();
      }
    }
  }

  async next(pieces) {
    return (await pieces.next()).value;
  }
}

/** Of an answer's text; fails if it isn't JSON, where it `must` be. */
function parse(text, must) {
  try {
    return text && JSON.parse(text);
  } catch (cause) {
    if (must) throw cause;
  }
}
