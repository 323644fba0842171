// The style sheet of the element without its lists, see `panel_styles.js`. Colors follow the page's `color-scheme`; no font, image or style comes from elsewhere.

export const STYLES = `
:host {
  --_accent: var(--greloupis-accent, #1f5fd0);
  --_on-accent: var(--greloupis-on-accent, #fff);
  --_surface: var(--greloupis-surface, #fff);
  --_sunken: var(--greloupis-surface-sunken, #eef0f4);
  --_text: var(--greloupis-text, #1b1e25);
  --_muted: var(--greloupis-text-muted, #596070);
  --_border: var(--greloupis-border, #d5d9e1);
  --_error: var(--greloupis-error, #b3261e);
  --_success: var(--greloupis-success, #0b7a53);
  --_radius: var(--greloupis-radius, 14px);
  --_gap: var(--greloupis-gap, 12px);
  display: block;
  color: var(--_text);
  font: 15px/1.45 var(--greloupis-font, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
  text-align: start;
}
@supports (color: light-dark(red, red)) {
  :host {
    --_accent: var(--greloupis-accent, light-dark(#1f5fd0, #84b0ff));
    --_on-accent: var(--greloupis-on-accent, light-dark(#fff, #0b1b3a));
    --_surface: var(--greloupis-surface, light-dark(#fff, #1b1e25));
    --_sunken: var(--greloupis-surface-sunken, light-dark(#eef0f4, #2a2e38));
    --_text: var(--greloupis-text, light-dark(#1b1e25, #eceef3));
    --_muted: var(--greloupis-text-muted, light-dark(#596070, #a4abba));
    --_border: var(--greloupis-border, light-dark(#d5d9e1, #3a404c));
    --_error: var(--greloupis-error, light-dark(#b3261e, #ffa093));
    --_success: var(--greloupis-success, light-dark(#0b7a53, #5fd1a4));
  }
}
:host([hidden]), [hidden] { display: none !important; }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
*, ::before, ::after { box-sizing: border-box; }
h3, p, ul { margin: 0; padding: 0; font: inherit; }
ul { list-style: none; }
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.icon { display: block; width: 1.35em; height: 1.35em; fill: none; stroke: currentColor; stroke-width: 1.7; stroke-linecap: round; stroke-linejoin: round; flex: none; }

/* The overlay isn't in it: in older browsers a container holds what is fixed. */
.base { display: grid; gap: var(--_gap); container-type: inline-size; }

/* Drop zone */
.dropzone {
  display: flex; flex-direction: column; align-items: center; gap: 4px;
  padding: clamp(20px, 7cqi, 40px) 20px;
  border: 2px dashed var(--_border); border-radius: calc(var(--_radius) + 4px);
  background: var(--_surface); text-align: center;
  transition: border-color 140ms, background-color 140ms;
}
.badge {
  display: grid; place-items: center; width: 52px; height: 52px; margin-bottom: 8px; border-radius: 50%;
  background: color-mix(in srgb, var(--_accent) 13%, transparent); color: var(--_accent); font-size: 19px;
  transition: transform 140ms;
}
.dropzone-title { font-size: 1.2em; font-weight: 620; letter-spacing: -0.01em; }
.hint { color: var(--_muted); font-size: 0.93em; text-wrap: balance; }
.buttons { display: flex; flex-wrap: wrap; justify-content: center; gap: 8px; margin-top: 14px; }
:host([data-dragging]) .dropzone {
  border-color: var(--_accent); border-style: solid;
  background: color-mix(in srgb, var(--_accent) 9%, var(--_surface));
}
:host([data-dragging]) .badge { transform: translateY(-4px); }
.overlay { position: fixed; inset: 0; z-index: 2147483647; display: grid; place-items: center; pointer-events: none; background: color-mix(in srgb, var(--_surface) 92%, transparent); color: var(--_accent); font-size: 1.5em; font-weight: 620; }
.overlay::before { content: ""; position: absolute; inset: 14px; border: 3px dashed currentColor; border-radius: 22px; }

/* Buttons */
[part~="button"] {
  display: inline-flex; align-items: center; justify-content: center; gap: 7px; min-height: 40px; padding: 0 18px;
  border: 1px solid var(--_border); border-radius: 999px; background: var(--_surface); color: var(--_text);
  font: inherit; font-weight: 560; cursor: pointer;
}
[part~="button"]:hover { border-color: var(--_muted); }
[part~="button"][data-primary] { border-color: transparent; background: var(--_accent); color: var(--_on-accent); }
[part~="button"][data-primary]:hover { filter: brightness(1.08); }
[part~="button"][data-small] { min-height: 32px; padding: 0 13px; font-size: 0.88em; }
[part~="button"][data-quiet] { border-color: transparent; padding: 0 9px; background: none; color: var(--_muted); }
[part~="button"][data-quiet]:hover { background: var(--_sunken); color: var(--_text); }
button:disabled { opacity: 0.55; cursor: default; }
.icon-button {
  display: grid; place-items: center; width: 36px; height: 36px; padding: 0; border: 0; border-radius: 50%;
  background: none; color: var(--_muted); font-size: 13.5px; cursor: pointer; flex: none;
}
.icon-button:hover { background: var(--_sunken); color: var(--_text); }

/* Notice about files that were left out */
.notice {
  display: flex; align-items: start; gap: 10px; padding: 8px 6px 8px 14px; border-radius: var(--_radius);
  background: color-mix(in srgb, var(--_error) 9%, var(--_surface)); color: var(--_error);
}
.base[dir="rtl"] .notice { padding: 8px 14px 8px 6px; }
.notice > .icon { margin-top: 9px; font-size: 15px; }
.notice-text { flex: 1; padding-block: 7px; overflow-wrap: anywhere; }

/* Compact, and the drop zone over a list */
:host([layout="compact"]) .dropzone, .has-files .dropzone { flex-flow: row wrap; justify-content: start; gap: 8px 12px; padding: 12px 14px; text-align: start; }
:host([layout="compact"]) .badge, .has-files .badge { width: 38px; height: 38px; margin: 0; font-size: 14px; }
:host([layout="compact"]) .words, .has-files .words { flex: 1 1 7em; min-width: 0; }
:host([layout="compact"]) .dropzone-title, .has-files .dropzone-title { font-size: 1em; }
:host([layout="compact"]) .hint, .has-files .hint { text-wrap: wrap; }
:host([layout="compact"]) .buttons, .has-files .buttons { margin: 0; }

/* A button alone */
:host([layout="button"]) .dropzone { flex-flow: column-reverse; align-items: start; gap: 6px; padding: 0; border: 0; background: none; text-align: start; }
:host([layout="button"]) .badge, :host([layout="button"]) .dropzone-title { display: none; }
:host([layout="button"]) .buttons { justify-content: start; margin: 0; }
:host([layout="button"]) .words { flex: none; }

.touch { display: none; }
@media (hover: none) and (pointer: coarse) {
  .icon-button { width: 44px; height: 44px; }
  .pointer { display: none; }
  .words, .has-files .words { flex-basis: 0; }
  .touch { display: revert; }
}
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { transition: none !important; }
}
@media (forced-colors: active) {
  .icon-button, [part~="button"] { border: 1px solid ButtonText; }
  :host([data-dragging]) .dropzone { border-color: Highlight; }
}
`;

/** By their text. @type {Map<string, CSSStyleSheet>} */
const sheets = new Map();

/**
 * Adds a style sheet to a shadow root, also under a policy that forbids inline styles.
 *
 * @param {ShadowRoot} root
 * @param {string} css
 */
export function addStyles(root, css) {
  if (!("adoptedStyleSheets" in root)) {
    // Old browsers, and jsdom.
    const style = document.createElement("style");
    style.textContent = css;
    /** @type {ShadowRoot} */ (root).append(style);
    return;
  }
  let sheet = sheets.get(css);
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    sheets.set(css, sheet);
  }
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}
