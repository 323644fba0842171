// What the engine has done for it in a browser: requests, reads and waits. Each has a number, by which the engine
// hears of its end. Knows nothing of uploads.

/** Read at a time, in bytes: hashed in a millisecond, so that the page stays alive. */
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
  /** The file as it is read at present: its reader, the position, and one buffer for all reads. */
  #stream;

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
  async send({ method, url, headers, json, part, start, end }, number) {
    const xhr = new XMLHttpRequest();
    this.#begun.set(number, () => xhr.abort());
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
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
    const stream = this.#stream?.at === start ? this.#stream : this.#open(start);
    // Whoever stops in the middle leaves no stream behind of which nobody knows where it is.
    this.#stream = undefined;
    if (!stream) {
      // Files can't be read so everywhere.
      for (; start < end; start += PIECE) yield this.read({ start, end: Math.min(start + PIECE, end) });
      return;
    }
    let since = performance.now();
    for (stream.at = start; stream.at < end; ) {
      // The view takes the buffer away and the answer brings it back; full, where the browser knows `min`.
      const wanted = Math.min(PIECE, end - stream.at);
      const { value } = await stream.reader.read(new Uint8Array(stream.buffer, 0, wanted), { min: wanted });
      if (!value?.length) return;
      stream.at += value.length;
      yield value;
      stream.buffer = value.buffer;
      // Bytes that are there already come without a pause in which the page could do anything else.
      if (performance.now() - since > WORK_MS) {
        await (globalThis.scheduler?.yield?.() ?? wait(0));
        since = performance.now();
      }
    }
    if (end < this.file.size) this.#stream = stream;
  }

  /** A stream of the file from `start` to its end, nothing where there can be none. Parts are mostly read in their
      order, and one stream for all of them costs the browser less than one for each. */
  #open(start) {
    try {
      const reader = this.file.slice(start).stream().getReader({ mode: "byob" });
      return { reader, buffer: new ArrayBuffer(PIECE) };
    } catch {
      return undefined;
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
