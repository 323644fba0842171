// Words, numbers and times in one language.

import en from "./texts/en.js";

/** @import { Texts } from "./texts.js" */

/**
 * Loaded when they are asked for. English is here already, for the first paint.
 * @type {Record<string, () => Promise<{ default: Texts }>>}
 */
const LANGUAGES = {
  ar: () => import("./texts/ar.js"),
  de: () => import("./texts/de.js"),
  es: () => import("./texts/es.js"),
  fr: () => import("./texts/fr.js"),
  hi: () => import("./texts/hi.js"),
  ja: () => import("./texts/ja.js"),
  pt: () => import("./texts/pt.js"),
  zh: () => import("./texts/zh.js"),
};
const RIGHT_TO_LEFT = ["ar"];
const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/**
 * The texts for a BCP 47 tag. A language that there is none for, or whose file can't be loaded, has English ones.
 *
 * @param {string} tag
 * @param {Partial<Texts>} [replaced] a site's own words
 */
export async function loadLocalizer(tag, replaced) {
  const language = tag.toLowerCase().split("-")[0];
  const load = Object.hasOwn(LANGUAGES, language) ? LANGUAGES[language] : undefined;
  const texts = await load?.().catch(() => undefined);
  return texts ? new Localizer(tag, texts.default, replaced) : new Localizer("en", en, replaced);
}

/** Whether texts of a language must be loaded first. @param {string} tag */
export const isLoadable = (tag) => Object.hasOwn(LANGUAGES, tag.toLowerCase().split("-")[0]);

export class Localizer {
  #texts;
  #plurals;
  /** @type {Map<string, Intl.NumberFormat>} */
  #formats = new Map();

  /**
   * @param {string} tag
   * @param {Texts} texts
   * @param {Partial<Texts>} [replaced]
   */
  constructor(tag = "en", texts = en, replaced = {}) {
    this.tag = tag;
    this.#texts = { ...en, ...texts, ...replaced };
    this.#plurals = new Intl.PluralRules(tag);
  }

  /** @type {"ltr" | "rtl"} */
  get direction() {
    return RIGHT_TO_LEFT.includes(this.tag.toLowerCase().split("-")[0]) ? "rtl" : "ltr";
  }

  /**
   * A text with its places filled; `n` also chooses the plural.
   *
   * @param {keyof Texts} key
   * @param {Record<string, string | number>} [values]
   */
  text(key, values = {}) {
    const entry = this.#texts[key];
    const n = Number(values.n ?? 0);
    const text = typeof entry === "string" ? entry : (entry[this.#plurals.select(n)] ?? entry.other ?? "");
    return text.replace(/\{(\w+)\}/g, (_, name) => {
      const value = values[name] ?? "";
      return typeof value === "number" ? this.#format(value, {}) : value;
    });
  }

  /** A size in decimal units: `104 MB`. @param {number} bytes */
  bytes(bytes) {
    return this.#bytesIn(bytes, unitIndex(bytes), "", { minimumFractionDigits: 0 });
  }

  /** Bytes of a total, both in the unit of the total, so that the width changes little. @param {number} sent @param {number} total */
  bytesOf(sent, total) {
    const unit = unitIndex(total);
    const plain = this.#format(sent / 1000 ** unit, fraction(total / 1000 ** unit, unit));
    return this.text("sentOf", { sent: plain, total: this.#bytesIn(total, unit, "") });
  }

  /** @param {number} bytesPerSecond */
  speed(bytesPerSecond) {
    return this.#bytesIn(bytesPerSecond, unitIndex(bytesPerSecond), "-per-second");
  }

  /** The remaining time; empty if it is unknown. @param {number | undefined} seconds */
  timeLeft(seconds) {
    if (seconds === undefined || !Number.isFinite(seconds)) return "";
    return this.text("timeLeft", { time: this.duration(seconds) });
  }

  /** A duration in its largest fitting unit: `40 sec`. @param {number} seconds */
  duration(seconds) {
    const [value, unit] =
      seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [seconds / 60, "minute"] : [seconds / 3600, "hour"];
    return this.#format(Math.max(1, Math.round(value)), { style: "unit", unit, unitDisplay: "short" });
  }

  /** @param {number} fraction 0 to 1 */
  percent(fraction) {
    return this.#format(Math.floor(fraction * 100) / 100, { style: "percent" });
  }

  /**
   * @param {number} bytes
   * @param {number} unit index in `BYTE_UNITS`
   * @param {string} per
   * @param {Intl.NumberFormatOptions} [options]
   */
  #bytesIn(bytes, unit, per, options) {
    const value = bytes / 1000 ** unit;
    return this.#format(value, {
      style: "unit",
      unit: BYTE_UNITS[unit] + per,
      unitDisplay: "short",
      ...fraction(value, unit),
      ...options,
    });
  }

  /**
   * @param {number} value
   * @param {Intl.NumberFormatOptions} options
   */
  #format(value, options) {
    const key = JSON.stringify(options);
    let format = this.#formats.get(key);
    if (!format) {
      format = new Intl.NumberFormat(this.tag, options);
      this.#formats.set(key, format);
    }
    // A number and its unit stay on one line.
    return format.format(value).replaceAll(" ", "\u00a0");
  }
}

/** The largest decimal unit that `bytes` reaches. @param {number} bytes */
const unitIndex = (bytes) => (bytes < 1000 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log10(bytes) / 3)));

/** @param {number} value @param {number} unit */
const fraction = (value, unit) => {
  const digits = unit < 2 || value >= 100 ? 0 : 1;
  return { minimumFractionDigits: digits, maximumFractionDigits: digits };
};
