// Checks options: an unknown one, or one of another type, is a TypeError.

export const MIB = 2 ** 20;

/** @type {(value: unknown) => value is string} */
export const isString = (value) => typeof value === "string";

// An object of an iframe isn't an instance of this page's classes, so classes are compared by name.

const className = (/** @type {unknown} */ value) => Object.prototype.toString.call(value).slice(8, -1);

/**
 * @param {unknown} value
 * @returns {value is Blob}
 */
export const isBlob = (value) => value instanceof Blob || ["Blob", "File"].includes(className(value));

/**
 * @param {unknown} value
 * @returns {value is FileSystemFileHandle}
 */
export const isFileHandle = (value) => className(value) === "FileSystemFileHandle";

/** @param {any} value */
export const isAbortSignal = (value) =>
  typeof value?.aborted === "boolean" && typeof value.addEventListener === "function";

/** Text, or an object that stands for it: a `URL`, a `TrustedScriptURL`. @param {unknown} value */
export const isUrl = (value) =>
  isString(value) || (typeof value === "object" && !/^(\[object .*|null)$/.test(`${value}`));

/** Compiled, or its bytes. @param {unknown} value */
export const isWasm = (value) =>
  ArrayBuffer.isView(value) || ["ArrayBuffer", "WebAssembly.Module"].includes(className(value));

/**
 * @param {unknown} value
 * @returns {value is Response}
 */
export const isResponse = (value) => className(value) === "Response";

/**
 * @param {unknown} value
 * @returns {value is Request}
 */
export const isRequest = (value) => className(value) === "Request";

/** In characters (code points). */
const MAX_TITLE_LENGTH = 200;

/**
 * The text as a title that the edge takes: on one line, cut to 200 characters. `undefined`: nothing is left.
 *
 * @param {string} text
 */
export function toTitle(text) {
  const line = text.replace(/\p{Cc}/gu, " ").trim();
  return [...line].slice(0, MAX_TITLE_LENGTH).join("").trim() || undefined;
}

/** @param {unknown} value */
export const isTitle = (value) => isString(value) && toTitle(value) === value.trim();

/**
 * @param {object} options
 * @param {Record<string, (value: unknown) => boolean>} checks what each known option may be
 */
export function checkOptions(options, checks) {
  if (options === null || typeof options !== "object") throw new TypeError("The options are no object.");
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, name) && checks[name];
    if (!check) throw new TypeError(`There is no option \`${name}\`.`);
    if (value !== undefined && !check(value)) throw new TypeError(`The option \`${name}\` can't be that.`);
  }
}
