// Checks options: an unknown one, or one of another type, is a TypeError.

export const MIB = 2 ** 20;

/** @type {(value: unknown) => value is string} */
export const isString = (value) => typeof value === "string";

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
