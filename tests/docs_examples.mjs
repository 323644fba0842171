// Type checks every `ts` and `tsx` example of the documents for embedding, strictly, as a site would.
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
for (const path of [join(ROOT, "web/README.md"), ...readdirSync(FOLDER).map((name) => join(FOLDER, name))]) {
  const text = readFileSync(path, "utf8");
  for (const [, kind, code] of text.matchAll(/^```(tsx?)\n([\s\S]*?)^```$/gm)) {
    const line = text.slice(0, text.indexOf(code)).split("\n").length;
    const name = relative(ROOT, path).replaceAll(/[/.]/g, "_");
    writeFileSync(join(OUT, `${name}_line_${line}.${kind}`), `${code}\nexport {};\n`);
    count += 1;
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
process.exitCode = count > 10 ? (status ?? 1) : 1;
