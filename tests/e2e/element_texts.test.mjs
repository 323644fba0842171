// The texts of the element: every language has every key, every plural of its language, and the same places.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

const FOLDER = new URL("../../web/js/element/texts/", import.meta.url);
/** @typedef {Record<string, string | Record<string, string>>} Texts */

/** @param {string} name @returns {Promise<Texts>} */
const load = async (name) => {
  // The sources are copied into the package; here they are plain files.
  const source = await readFile(new URL(name, FOLDER), "utf8");
  return (await import(`data:text/javascript,${encodeURIComponent(source)}`)).default;
};

/** @param {string} text */
const placesOf = (text) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();

const files = await readdir(FOLDER);
const english = await load("en.js");

test("languages_are_nine", () => {
  assert.deepEqual(
    files.sort(),
    ["ar", "de", "en", "es", "fr", "hi", "ja", "pt", "zh"].map((name) => `${name}.js`),
  );
});

for (const file of files) {
  test(`texts_have_all_keys_and_plurals in ${file}`, async () => {
    const texts = await load(file);
    const language = file.replace(".js", "");
    assert.deepEqual(Object.keys(texts).sort(), Object.keys(english).sort());
    for (const [key, text] of Object.entries(texts)) {
      const reference = english[key];
      if (typeof reference === "string") {
        assert.deepEqual(placesOf(/** @type {string} */ (text)), placesOf(reference), key);
        continue;
      }
      const plurals = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
      assert.deepEqual(Object.keys(text).sort(), [...plurals].sort(), `plurals of ${key}`);
      for (const form of Object.values(text)) assert.ok(form.length > 0, key);
    }
  });
}

test("keys_are_those_of_the_types", async () => {
  const types = await readFile(new URL("../texts.d.ts", FOLDER), "utf8");
  const typed = [...types.matchAll(/^ {2}(\w+): Text;$/gm)].map(([, key]) => key);
  assert.deepEqual(typed.sort(), Object.keys(english).sort());
});
