// Implementations of CRC64NVME, in turns over the same bytes. As in an uploader, the input is chunks in JavaScript
// buffers.
import { Crc64Nvme } from "@aws-sdk/crc64-nvme";
import { createCRC64 } from "hash-wasm";
import init, { Checksum } from "/vendor/bindings.js";

const CHUNK_SIZE = 2 ** 18;

/** Each creates an `update` and a `digest`, which returns hexadecimal digits. */
const IMPLEMENTATIONS = {
  async greloupis() {
    await init({ module_or_path: "/vendor/uploader.wasm" });
    const crc = new Checksum();
    return { update: (bytes) => crc.update(bytes), digest: () => crc.value().toString(16).padStart(16, "0") };
  },
  async "hash-wasm"() {
    // The polynomial is passed reflected.
    const crc = (await createCRC64("9a6c9329ac4bc9b5")).init();
    return { update: (bytes) => crc.update(bytes), digest: () => crc.digest() };
  },
  async "AWS SDK"() {
    const crc = new Crc64Nvme();
    const hex = (byte) => byte.toString(16).padStart(2, "0");
    return { update: (bytes) => crc.update(bytes), digest: async () => Array.from(await crc.digest(), hex).join("") };
  },
};

/**
 * Measures all turns of all implementations, in bytes per second. Turns are short, so that other load on the machine
 * affects all of them alike.
 */
export async function measure({ size, turn, rounds }) {
  const chunks = Array.from({ length: size / CHUNK_SIZE }, () => {
    const chunk = new Uint8Array(CHUNK_SIZE);
    // `getRandomValues` takes at most 65,536 bytes.
    for (let offset = 0; offset < CHUNK_SIZE; offset += 65536)
      crypto.getRandomValues(chunk.subarray(offset, offset + 65536));
    return chunk.buffer;
  });
  const results = Object.keys(IMPLEMENTATIONS).map((name) => ({ name, speeds: [], digests: [] }));
  // The first round warms up the JavaScript engine; only its digests count.
  for (let round = 0; round <= rounds; round++) {
    const running = [];
    for (const result of results) running.push({ result, ...(await IMPLEMENTATIONS[result.name]()) });
    for (let first = 0; first < chunks.length; first += turn / CHUNK_SIZE) {
      const turnChunks = chunks.slice(first, first + turn / CHUNK_SIZE);
      for (const { result, update } of running) {
        const start = performance.now();
        for (const chunk of turnChunks) update(new Uint8Array(chunk));
        if (round > 0) result.speeds.push((turn / (performance.now() - start)) * 1000);
      }
    }
    for (const { result, digest } of running) result.digests.push(await digest());
  }
  return results;
}
