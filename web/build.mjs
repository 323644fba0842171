// Bundles the package's scripts: `node web/build.mjs GLUE PACKAGE`. GLUE has the sources of web/js beside `bindings.js`,
// PACKAGE has `uploader.wasm` and receives everything else.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { build } from "esbuild";
import { writeTypes } from "./types.mjs";

const [glue, packageFolder] = process.argv.slice(2).map((path) => resolve(path));
const WASM = join(packageFolder, "uploader.wasm");
const LANGUAGES = readdirSync(join(glue, "element/texts")).map((name) => `element/texts/${name}`);

/** Entries: the source in GLUE, the file in the package. Each is bundled with what it imports, other entries excepted. */
const ENTRIES = {
  "index.js": "index.js",
  "queue/index.js": "queue/index.js",
  "element/uploader_element.js": "element/class.js",
  "element/define.js": "element/index.js",
  "react/index.js": "react/index.js",
};
/** Files that entries load when they need them. */
const LAZY = {
  "resumable.js": "resumable.js",
  "store.js": "store.js",
  "poster.js": "poster.js",
  "queue/save_title.js": "queue/save_title.js",
  "worker.js": "worker.js",
  "element/panel.js": "element/panel.js",
};
const texts = Object.fromEntries(LANGUAGES.filter((path) => !path.endsWith("/en.js")).map((path) => [path, path]));

const SHARED = {
  bundle: true,
  minify: true,
  logLevel: "warning",
  external: ["react", "react/jsx-runtime"],
  legalComments: "none",
};

/** esbuild leaves template strings alone; the style sheets are such. */
const styles = {
  name: "styles",
  setup({ onLoad }) {
    onLoad({ filter: /element[/\\](panel_)?styles\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(/`\n([\s\S]*?)`/, (_, css) => `\`${minifyCss(css)}\``),
    }));
  },
};

const minifyCss = (css) =>
  css
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\s+/g, " ")
    .replace(/\s*([{};,>])\s*/g, "$1")
    .replace(/: /g, ":")
    .replace(/;}/g, "}")
    .trim();

/** Keeps imports of other outputs as they are, relative to the place of the output. */
const external = (outputs, entry) => ({
  name: "external",
  setup({ onResolve }) {
    onResolve({ filter: /^\./ }, ({ path, resolveDir, kind }) => {
      const source = relative(glue, resolve(resolveDir, path));
      if (kind === "entry-point" || source === entry || !Object.hasOwn(outputs, source)) return undefined;
      const from = relative(dirname(join(packageFolder, outputs[entry])), join(packageFolder, outputs[source]));
      return { path: from.startsWith(".") ? from : `./${from}`, external: true };
    });
  },
});

/** Puts worker and wasm into the bundle. */
const embedded = (workerSource) => ({
  name: "embedded",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/assets\.js$/ }, () => ({ path: join(glue, "assets_inline.js") }));
    onResolve({ filter: /^embedded:/ }, ({ path }) => ({ path, namespace: "embedded" }));
    onLoad({ filter: /.*/, namespace: "embedded" }, ({ path }) => {
      const text = path === "embedded:wasm" ? readFileSync(WASM).toString("base64") : workerSource;
      return { contents: text, loader: "text" };
    });
  },
});

/** `"use client"` must be the first line, and esbuild drops directives of bundled files. */
const banner = (entry) => (entry.startsWith("react/") ? { js: '"use client";' } : {});

async function buildModules() {
  const outputs = { ...ENTRIES, ...LAZY, ...texts };
  for (const [entry, output] of Object.entries(outputs)) {
    // The worker has the records inside, so that it can be served from anywhere.
    const others = entry === "worker.js" ? { "worker.js": "worker.js" } : outputs;
    await build({
      ...SHARED,
      entryPoints: [join(glue, entry)],
      outfile: join(packageFolder, output),
      format: "esm",
      charset: "utf8",
      target: "es2022",
      banner: banner(entry),
      plugins: [external(others, entry), styles],
    });
  }
}

/** The worker as a classic script. */
async function workerSource() {
  const { outputFiles } = await build({
    ...SHARED,
    entryPoints: [join(glue, "worker.js")],
    write: false,
    format: "iife",
    target: "es2018",
  });
  return outputFiles[0].text;
}

async function buildInline() {
  const plugins = [embedded(await workerSource()), styles];
  const kinds = [
    {
      folder: "inline",
      format: "esm",
      names: {
        "element/index.js": "element.js",
        "react/index.js": "react.js",
        "queue/index.js": "queue.js",
        "element/class.js": "element_class.js",
      },
    },
    { folder: "cjs", format: "cjs", names: {} },
  ];
  for (const { folder, format, names } of kinds) {
    const outputs = Object.fromEntries(
      Object.entries(ENTRIES).map(([source, output]) => [source, join(folder, names[output] ?? output)]),
    );
    for (const [entry, output] of Object.entries(outputs)) {
      await build({
        ...SHARED,
        entryPoints: [join(glue, entry)],
        outfile: join(packageFolder, output),
        format,
        target: "es2018",
        banner: banner(entry),
        plugins: [external(outputs, entry), ...plugins],
      });
    }
  }
  await build({
    ...SHARED,
    stdin: {
      contents: 'export * from "./index.js"; export * from "./element/define.js";',
      resolveDir: glue,
      sourcefile: "global.js",
    },
    outfile: join(packageFolder, "dist/uploader.global.js"),
    format: "iife",
    globalName: "GreloupisUploader",
    target: "es2018",
    plugins,
  });
}

/** The `package.json` of a folder, for webpack 4 and other tools from before `exports`. */
function writeFolderManifests() {
  for (const folder of ["element", "queue", "react"]) {
    const manifest = { type: "module", main: `../cjs/${folder}/index.js`, types: "./index.d.ts" };
    writeFileSync(join(packageFolder, folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  }
  writeFileSync(join(packageFolder, "cjs/package.json"), `${JSON.stringify({ type: "commonjs" }, null, 2)}\n`);
}

function copyTypes() {
  const types = ["index.d.ts", "queue/index.d.ts", "element/index.d.ts", "element/texts.d.ts", "react/index.d.ts"];
  for (const path of types) {
    for (const folder of ["", "cjs"]) {
      mkdirSync(dirname(join(packageFolder, folder, path)), { recursive: true });
      copyFileSync(join(glue, path), join(packageFolder, folder, path));
    }
  }
  for (const folder of ["element", "cjs/element"]) {
    writeFileSync(join(packageFolder, folder, "class.d.ts"), 'export * from "./index.js";\n');
  }
  const again = {
    index: "../index.js",
    element: "../element/index.js",
    queue: "../queue/index.js",
    react: "../react/index.js",
  };
  for (const [name, path] of Object.entries(again)) {
    writeFileSync(join(packageFolder, "inline", `${name}.d.ts`), `export * from "${path}";\n`);
  }
}

/** The manifest, without what only its build needs. The order of the conditions in `exports` counts, so it is kept. */
function writeManifest() {
  const { devDependencies, ...manifest } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
  writeFileSync(join(packageFolder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** For `import workerUrl from "@greloupis/uploader/worker.js?url"`. */
function writeWorkerTypes() {
  writeFileSync(
    join(packageFolder, "worker.d.ts"),
    "/** The script of the worker, to be given to `init({ worker })` by its URL. */\nexport {};\n",
  );
}

await buildModules();
await buildInline();
writeManifest();
writeFolderManifests();
copyTypes();
writeWorkerTypes();
writeTypes(glue, packageFolder);
