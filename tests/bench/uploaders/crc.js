// Implementations of CRC64NVME, in turns over the same bytes. Each is fed as an uploader is: pieces that the
// browser has read, in a buffer of JavaScript's.
import { Crc64Nvme } from "@aws-sdk/crc64-nvme";
import { createCRC64 } from "hash-wasm";
import init, { Checksum } from "/vendor/engine.js";

const PIECE = 2 ** 18;

/** What each needs to start; an `update` and a `digest` that answers hexadecimal digits. */
const CONTESTANTS = {
  async ours() {
    await init({ module_or_path: "/vendor/uploader.wasm" });
    const crc = new Checksum();
    return { update: (bytes) => crc.update(bytes), digest: () => crc.value().toString(16).padStart(16, "0") };
  },
  async "hash-wasm"() {
    // It wants the polynomial reflected.
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
 * All turns of all contestants, in bytes per second. A turn is short, so that whatever else the machine does
 * meets all alike.
 */
export async function measure({ size, turn, rounds }) {
  const pieces = Array.from({ length: size / PIECE }, () => {
    const piece = new Uint8Array(PIECE);
    // More at a time is refused.
    for (let at = 0; at < PIECE; at += 65536) crypto.getRandomValues(piece.subarray(at, at + 65536));
    return piece.buffer;
  });
  const results = Object.keys(CONTESTANTS).map((name) => ({ name, speeds: [], digests: [] }));
  // The first round is for the engine to compile; it counts for the digests only.
  for (let round = 0; round <= rounds; round++) {
    const running = [];
    for (const result of results) running.push({ result, ...(await CONTESTANTS[result.name]()) });
    for (let first = 0; first < pieces.length; first += turn / PIECE) {
      const share = pieces.slice(first, first + turn / PIECE);
      for (const { result, update } of running) {
        const start = performance.now();
        for (const piece of share) update(new Uint8Array(piece));
        if (round > 0) result.speeds.push((turn / (performance.now() - start)) * 1000);
      }
    }
    for (const { result, digest } of running) result.digests.push(await digest());
  }
  return results;
}
