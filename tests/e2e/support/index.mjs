// Everything that the end-to-end tests import.

export * from "./files.mjs";
export * from "./page.mjs";
export * from "./system.mjs";
