// Without a browser: every entry is imported, by both module systems, and React renders the tag on the server.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { createElement } from "react";
import { renderToString } from "react-dom/server";

const require = createRequire(import.meta.url);
const ENTRIES = ["", "/element", "/element/class", "/queue", "/react"];

test("entries are imported without a browser", async () => {
  for (const entry of [...ENTRIES, "/inline", "/inline/element", "/inline/queue", "/inline/react"]) {
    const esm = await import(`@greloupis/uploader${entry}`);
    const cjs = require(`@greloupis/uploader${entry}`);
    assert.deepEqual(Object.keys(cjs).sort(), Object.keys(esm).sort(), entry);
  }
});

test("component is rendered on a server", async () => {
  const { GreloupisUploader } = await import("@greloupis/uploader/react");
  const html = renderToString(createElement(GreloupisUploader, { endpoint: "/api", multiple: true, maxFiles: 3 }));
  assert.match(html, /^<greloupis-uploader endpoint="\/api" multiple="" max-files="3">/);
});

test("files of the package are found", () => {
  for (const name of ["uploader.wasm", "worker.js", "custom-elements.json", "package.json"]) {
    assert.ok(require.resolve(`@greloupis/uploader/${name}`));
  }
});

test("upload says that it needs a browser", async () => {
  const { upload } = await import("@greloupis/uploader");
  assert.throws(() => upload(new Blob(["-"]), { endpoint: "https://example.com/api" }), /browser/);
});
