// Makes everything that editors and frameworks know of the element from the comment above its class:
// `custom-elements.json`, VS Code's data, JSX types, and `docs/embedding/reference.md` (`node web/types.mjs --docs`; with
// `--check` it fails where that file isn't current).
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, ts } from "@custom-elements-manifest/analyzer";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const SOURCE = "element/uploader_element.js";
const REFERENCE = join(ROOT, "docs/embedding/reference.md");

/** The manifest, and in it the element. @param {string} sources the folder web/js, or a copy */
function analyze(sources) {
  const text = readFileSync(join(sources, SOURCE), "utf8");
  const manifest = create({
    modules: [ts.createSourceFile("element/class.js", text, ts.ScriptTarget.ES2022, true)],
    plugins: [],
    context: { dev: false },
  });
  const element = manifest.modules[0].declarations.find(({ name }) => name === "GreloupisUploaderElement");
  element.members = element.members.filter(
    ({ name, privacy, kind, static: isStatic }) =>
      privacy !== "private" && !name.startsWith("#") && !isStatic && !(kind === "method" && name.endsWith("Callback")),
  );
  return { manifest, element };
}

/** @param {string} type such as `"full"|"compact"` */
const valuesOf = (type) => [...type.matchAll(/"([^"]+)"/g)].map(([, name]) => ({ name }));

function vsCodeData(element) {
  const attributes = element.attributes.map(({ name, description, type }) => {
    const values = valuesOf(type?.text ?? "");
    return {
      name,
      description,
      ...(type?.text === "boolean" ? { valueSet: "v" } : {}),
      ...(values.length > 0 ? { values } : {}),
    };
  });
  return { version: 1.1, tags: [{ name: element.tagName, description: element.description, attributes }] };
}

function vsCodeCss(element) {
  return {
    version: 1.1,
    properties: element.cssProperties.map(({ name, description }) => ({ name, description })),
    pseudoElements: element.cssParts.map(({ name, description }) => ({ name: `::part(${name})`, description })),
  };
}

const HEADER = "// Made by web/types.mjs from the element's documentation.\n";

/** The attributes as properties of a TypeScript interface. */
function attributeTypes(element, { booleans }) {
  return element.attributes
    .map(({ name, description, type }) => {
      const text = type?.text ?? "string";
      const types = { boolean: booleans, number: "number | string" };
      return `  /** ${description} */\n  "${name}"?: ${types[text] ?? text.replaceAll("|", " | ")};\n`;
    })
    .join("");
}

function frameworkTypes(element) {
  const { tagName } = element;
  const own = `type Element = import("../element/index.js").GreloupisUploaderElement;\ntype Events = import("../queue/index.js").UploadQueueEventMap;\n`;
  const attributes = `interface Attributes {\n${attributeTypes(element, { booleans: 'boolean | ""' })}}\n`;
  const properties = 'type Properties = Partial<Pick<Element, "token" | "beforeUpload" | "readyContent" | "texts">>;\n';
  const start = HEADER + own + attributes + properties;
  const react19 =
    'declare module "react" {\n  namespace JSX {\n    interface IntrinsicElements {\n' +
    `      "${tagName}": import("react").HTMLAttributes<Element> & import("react").RefAttributes<Element> & Attributes & Properties;\n    }\n  }\n}\n`;
  const react17 = react19.replace('declare module "react" {\n  namespace JSX', "declare global {\n  namespace JSX");
  return {
    "react.d.ts": `${start}${react19}${react17}export {};\n`,
    "vue.d.ts": `${start}declare module "vue" {\n  interface GlobalComponents {\n    "${tagName}": import("vue").DefineComponent<Attributes & Properties>;\n  }\n}\nexport {};\n`,
    "svelte.d.ts": `${start}declare module "svelte/elements" {\n  interface SvelteHTMLElements {\n    "${tagName}": import("svelte/elements").HTMLAttributes<Element> & Attributes & Properties & {\n      [Type in keyof Events as \`on\${Type}\`]?: (event: Events[Type]) => void;\n    };\n  }\n}\nexport {};\n`,
    "solid.d.ts": `${start}declare module "solid-js" {\n  namespace JSX {\n    interface IntrinsicElements {\n      "${tagName}": import("solid-js").JSX.HTMLAttributes<Element> & Attributes & {\n        [Name in keyof Properties as \`prop:\${Name}\`]?: Properties[Name];\n      } & { [Type in keyof Events as \`on:\${Type}\`]?: (event: Events[Type]) => void };\n    }\n  }\n}\nexport {};\n`,
  };
}

/**
 * @param {string} sources
 * @param {string} packageFolder
 */
export function writeTypes(sources, packageFolder) {
  const { manifest, element } = analyze(sources);
  const json = (value) => `${JSON.stringify(value, null, 2)}\n`;
  writeFileSync(join(packageFolder, "custom-elements.json"), json(manifest));
  writeFileSync(join(packageFolder, "vscode.html-data.json"), json(vsCodeData(element)));
  writeFileSync(join(packageFolder, "vscode.css-data.json"), json(vsCodeCss(element)));
  mkdirSync(join(packageFolder, "types"), { recursive: true });
  for (const [name, text] of Object.entries(frameworkTypes(element))) {
    writeFileSync(join(packageFolder, "types", name), text);
  }
}

// ---- The reference

const cell = (text = "") => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function table(head, rows) {
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.map(cell).join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

function reference(element) {
  const code = (text) => `\`${text}\``;
  const own = element.members.filter(({ kind, description }) => kind === "field" && description);
  const methods = element.members.filter(({ kind, description }) => kind === "method" && description);
  return `# Reference of \`<${element.tagName}>\`

Made from the comments in \`web/js/${SOURCE}\` by \`node web/types.mjs --docs\`. Editors read the same from
\`custom-elements.json\`, \`vscode.html-data.json\` and \`vscode.css-data.json\` of the package.

${element.description}

## Attributes

${table(
  ["attribute", "type", "meaning"],
  element.attributes.map(({ name, type, description }) => [code(name), code(type?.text ?? "string"), description]),
)}
## Properties and methods

An attribute with a dash is a property without it: \`max-files\` is \`maxFiles\`. Further:

${table(
  ["member", "type", "meaning"],
  own
    .map(({ name, type, description }) => [code(name), code(type?.text ?? ""), description])
    .concat(methods.map(({ name, description }) => [code(`${name}()`), "", description])),
)}
## Events

All are \`CustomEvent\`s that bubble; \`detail\` is given here.

${table(
  ["event", "detail", "when"],
  element.events.map(({ name, type, description }) => [
    code(name),
    code((type?.text ?? "Event").replace(/^CustomEvent<(.*)>$/, "$1")),
    description,
  ]),
)}
\`queue\` fires the same ones. The types are in \`queue/index.d.ts\`.

## Slots

${table(
  ["slot", "content"],
  element.slots
    .map(({ name, description }) => [code(name), description])
    .concat([[code("ready-ID"), "Under the file with the id `ID`, once it is ready; `readyContent` fills it."]]),
)}
## Custom properties

Colors have a second value for a dark \`color-scheme\`.

${table(
  ["property", "default", "use"],
  element.cssProperties.map(({ name, default: value, description }) => [code(name), code(value ?? ""), description]),
)}
## Parts

To be styled by \`greloupis-uploader::part(NAME)\`.

${table(
  ["part", "what it is"],
  element.cssParts.map(({ name, description }) => [code(name), description]),
)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = reference(analyze(join(ROOT, "web/js")).element);
  if (process.argv.includes("--check")) {
    if (!existsSync(REFERENCE) || readFileSync(REFERENCE, "utf8") !== text) {
      console.error("docs/embedding/reference.md isn't current: run `node web/types.mjs --docs`");
      process.exitCode = 1;
    }
  } else {
    mkdirSync(dirname(REFERENCE), { recursive: true });
    writeFileSync(REFERENCE, text);
  }
}
