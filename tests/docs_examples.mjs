// Type checks every `ts` and `tsx` example of the documents for embedding and of the package's types, strictly, as a site
// would. Each function, class and component that the package exports must have one in its comment.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OUT = join(ROOT, "target/docs_examples");
const FOLDER = join(ROOT, "docs/embedding");
const TYPES = join(ROOT, "web/js");

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
let count = 0;
/**
 * Writes the examples of a text as files of their own, named by the line.
 *
 * @param {string} path
 * @param {string} text
 */
function extract(path, text) {
  for (const [, kind, code] of text.matchAll(/^```(tsx?)\n([\s\S]*?)^```$/gm)) {
    const line = text.slice(0, text.indexOf(code)).split("\n").length;
    const name = relative(ROOT, path).replaceAll(/[/.]/g, "_");
    writeFileSync(join(OUT, `${name}_line_${line}.${kind}`), `${code}\nexport {};\n`);
    count += 1;
  }
}

for (const path of [join(ROOT, "web/README.md"), ...readdirSync(FOLDER).map((name) => join(FOLDER, name))]) {
  extract(path, readFileSync(path, "utf8"));
}
/** @type {string[]} */
const withoutExample = [];
for (const file of ["index", "queue/index", "element/index", "react/index"]) {
  const path = join(TYPES, `${file}.d.ts`);
  const types = readFileSync(path, "utf8");
  extract(path, types.replaceAll(/^ \* ?/gm, ""));
  for (const [, comment = "", name] of types.matchAll(
    /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?^export (?:function|class|const) (\w+)/gm,
  )) {
    if (!comment.includes("```ts")) withoutExample.push(`${file}.d.ts: ${name}`);
  }
}
const entries = {
  "": "index",
  "/element": "element/index",
  "/queue": "queue/index",
  "/react": "react/index",
  "/inline": "index",
  "/inline/element": "element/index",
};
const compilerOptions = {
  ...{ strict: true, noEmit: true, jsx: "react-jsx", target: "es2022", module: "esnext", moduleResolution: "bundler" },
  lib: ["es2022", "dom", "dom.iterable"],
  types: [],
  typeRoots: [join(ROOT, "node_modules/@types")],
  paths: {
    ...Object.fromEntries(
      Object.entries(entries).map(([entry, file]) => [`@greloupis/uploader${entry}`, [join(TYPES, `${file}.d.ts`)]]),
    ),
    react: [join(ROOT, "node_modules/@types/react/index.d.ts")],
    "react/*": [join(ROOT, "node_modules/@types/react/*.d.ts")],
  },
};
writeFileSync(join(OUT, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*"] }));
const { status } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", OUT], { stdio: "inherit" });
console.log(`${count} examples`);
if (withoutExample.length > 0) console.log(`exported without an example: ${withoutExample.join(", ")}`);
process.exitCode = count > 15 && withoutExample.length === 0 ? (status ?? 1) : 1;
