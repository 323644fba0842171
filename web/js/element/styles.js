// The style sheet of the element. Colors follow the page's `color-scheme`; no font, image or style comes from elsewhere.

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

/* Lists */
.panel { border: 1px solid var(--_border); border-radius: var(--_radius); background: var(--_surface); overflow: hidden; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 10px; padding: 12px 14px; }
.head-text { flex: 1 1 12em; min-width: 0; }
.head-title { font-weight: 600; }
.head-detail { color: var(--_muted); font-size: 0.9em; font-variant-numeric: tabular-nums; min-height: 1.3em; }
.head-buttons { display: flex; flex-wrap: wrap; gap: 2px; margin-inline-end: -6px; }
.head + .bar { border-radius: 0; }
.list { max-height: var(--greloupis-list-max-height, 30em); overflow: auto; overscroll-behavior: contain; }
.row {
  position: relative; display: grid; grid-template-columns: 96px minmax(0, 1fr) auto; align-items: center; gap: 3px 14px;
  min-height: 78px; padding: 11px 10px 11px 14px; border-top: 1px solid var(--_border);
  content-visibility: auto; contain-intrinsic-size: auto 78px; align-content: center;
}
.base[dir="rtl"] .row { padding: 11px 14px 11px 10px; }
.list > .row:first-child { border-top-color: transparent; }
.panel:not(.has-bar) .list > .row:first-child { border-top-color: var(--_border); }
.poster {
  position: relative; grid-row: 1 / span 2; display: grid; place-items: center; aspect-ratio: 16 / 9; border-radius: calc(var(--_radius) * 0.55);
  background: var(--_sunken); color: var(--_muted); font-size: 17px; overflow: hidden;
}
.poster img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: cover; }
.length { position: absolute; inset-block-end: 4px; inset-inline-end: 4px; padding: 0 5px; border-radius: 5px; background: rgb(0 0 0 / 72%); color: #fff; font-size: 11px; line-height: 16px; font-variant-numeric: tabular-nums; }
.title-line { display: flex; align-items: center; gap: 2px; min-width: 0; }
.row-title { min-width: 0; font-weight: 560; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.title-line .icon-button { width: 28px; height: 28px; font-size: 11.5px; }
.title-input {
  flex: 1; min-width: 0; height: 30px; padding: 0 8px; border: 1px solid var(--_border); border-radius: 8px;
  background: var(--_surface); color: inherit; font: inherit; font-weight: 560;
}
.row-body { grid-column: 2; display: grid; gap: 5px; min-width: 0; }
.status { color: var(--_muted); font-size: 0.9em; font-variant-numeric: tabular-nums; }
.state { margin-inline-end: 8px; color: var(--_text); }
.state .icon { display: inline; width: 1.15em; height: 1.15em; margin-inline-end: 4px; vertical-align: -0.2em; stroke-width: 2.2; }
.row[data-state="ready"] .state { color: var(--_success); }
.row[data-state="failed"] .state { color: var(--_error); }
.row[data-state="canceled"] .row-title { color: var(--_muted); }
.row-buttons { grid-column: 3; grid-row: 1 / span 2; display: flex; align-items: center; gap: 2px; }
.row-buttons [part~="button"] { margin-inline-end: 4px; }
.ready { display: block; }
.note { color: var(--_text); font-size: 0.9em; }
.note:empty { display: none; }

/* Progress */
.bar { position: relative; height: 6px; border-radius: 3px; background: var(--_sunken); overflow: hidden; contain: strict; }
.fill { height: 100%; background: var(--_accent); border-radius: inherit; transform: scaleX(0); transform-origin: left; transition: transform 200ms linear; }
.base[dir="rtl"] .fill { transform-origin: right; }
.row[data-state="paused"] .fill, .row[data-state="waiting"] .fill { background: var(--_muted); }
.row[data-state="converting"] .fill, .row[data-state="uploaded"] .fill, .row[data-state="unverified"] .fill { background: var(--_success); }
.bar[data-indeterminate] .fill { visibility: hidden; }
.bar[data-indeterminate]::after { content: ""; position: absolute; inset-block: 0; width: 35%; inset-inline-start: 0; border-radius: inherit; background: var(--_accent); animation: slide 1.4s ease-in-out infinite alternate; }
.base[dir="rtl"] .bar::after { --_end: -186%; }
@keyframes slide { to { transform: translateX(var(--_end, 186%)); } }

/* Compact, and the drop zone over a list */
:host([layout="compact"]) .dropzone, .has-files .dropzone { flex-flow: row wrap; justify-content: start; gap: 8px 12px; padding: 12px 14px; text-align: start; }
:host([layout="compact"]) .badge, .has-files .badge { width: 38px; height: 38px; margin: 0; font-size: 14px; }
:host([layout="compact"]) .words, .has-files .words { flex: 1 1 7em; min-width: 0; }
:host([layout="compact"]) .dropzone-title, .has-files .dropzone-title { font-size: 1em; }
:host([layout="compact"]) .hint, .has-files .hint { text-wrap: wrap; }
:host([layout="compact"]) .buttons, .has-files .buttons { margin: 0; }
:host([layout="compact"]) .row, :host([layout="button"]) .row { grid-template-columns: minmax(0, 1fr) auto; min-height: 66px; padding-block: 8px; contain-intrinsic-size: auto 66px; }
:host([layout="compact"]) .poster, :host([layout="button"]) .poster { display: none; }
:host([layout="compact"]) .row-body, :host([layout="button"]) .row-body { grid-column: 1; }
:host([layout="compact"]) .row-buttons, :host([layout="button"]) .row-buttons { grid-column: 2; }

/* A button alone */
:host([layout="button"]) .dropzone { flex-flow: column-reverse; align-items: start; gap: 6px; padding: 0; border: 0; background: none; text-align: start; }
:host([layout="button"]) .badge, :host([layout="button"]) .dropzone-title { display: none; }
:host([layout="button"]) .buttons { justify-content: start; margin: 0; }
:host([layout="button"]) .words { flex: none; }

@container (max-width: 30rem) {
  .row { grid-template-columns: 64px minmax(0, 1fr) auto; column-gap: 10px; }
  .poster { grid-row: 1; align-self: start; }
  .row-body { grid-column: 1 / -1; grid-row: 2; }
  .row-buttons { grid-row: 1; }
  .row-buttons [part~="retry"] { margin: 0; }
  [part="unfinished"] .row { grid-template-columns: minmax(0, 1fr) auto; }
  [part="unfinished"] .poster, .row[data-state="failed"] .poster, .row[data-state="canceled"] .poster { display: none; }
  [part="unfinished"] .row-buttons { grid-column: 2; }
  .row[data-state="failed"] .title-line, .row[data-state="canceled"] .title-line { grid-column: 1 / span 2; }
  :host([layout="compact"]) .row .title-line, :host([layout="button"]) .row .title-line { grid-column: 1; }
  :host([layout="compact"]) .row-body, :host([layout="button"]) .row-body { grid-column: 1 / -1; }
  .length { display: none; }
  .row-title { white-space: normal; overflow-wrap: anywhere; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; }
  .head-buttons { flex-basis: 100%; margin-inline: -9px; }
  .head-buttons:not(:has(> :not([hidden]))) { display: none; }
}
.touch { display: none; }
@media (hover: none) and (pointer: coarse) {
  .icon-button { width: 44px; height: 44px; }
  .pointer { display: none; }
  .words, .has-files .words { flex-basis: 0; }
  .touch { display: revert; }
}
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { transition: none !important; }
  .bar[data-indeterminate]::after { animation: none; width: 100%; opacity: 0.4; }
}
@media (forced-colors: active) {
  .bar { border: 1px solid CanvasText; height: 8px; }
  .fill, .bar::after { background: Highlight !important; forced-color-adjust: none; }
  .icon-button, [part~="button"] { border: 1px solid ButtonText; }
  :host([data-dragging]) .dropzone { border-color: Highlight; }
}
`;

/** @type {CSSStyleSheet | undefined} */
let sheet;

/**
 * Styles a shadow root, also under a policy that forbids inline styles.
 *
 * @param {ShadowRoot} root
 */
export function addStyles(root) {
  if (!("adoptedStyleSheets" in root)) {
    // Old browsers, and jsdom.
    const style = document.createElement("style");
    style.textContent = STYLES;
    /** @type {ShadowRoot} */ (root).append(style);
    return;
  }
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLES);
  }
  root.adoptedStyleSheets = [sheet];
}
