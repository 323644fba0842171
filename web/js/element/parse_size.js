const UNITS = ["", "k", "m", "g", "t"];

/**
 * Bytes of a size as people write it: `500000000`, `500 MB`, `1.5GB`; `undefined` if it is none.
 *
 * @param {string | null} text
 */
export function parseSize(text) {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)b?\s*$/i.exec(text ?? "");
  return match ? Number(match[1]) * 1000 ** UNITS.indexOf(match[2].toLowerCase()) : undefined;
}
