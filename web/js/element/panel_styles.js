// The style sheet of the lists, loaded with them. It follows that of the element.

export const PANEL_STYLES = `
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
.captions { margin: 2px 0 0; color: var(--_muted); font-size: 0.85em; overflow-wrap: anywhere; }
.captions.failed { color: var(--_error); }
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

/* Compact, and a button alone */
:host([layout="compact"]) .row, :host([layout="button"]) .row { grid-template-columns: minmax(0, 1fr) auto; min-height: 66px; padding-block: 8px; contain-intrinsic-size: auto 66px; }
:host([layout="compact"]) .poster, :host([layout="button"]) .poster { display: none; }
:host([layout="compact"]) .row-body, :host([layout="button"]) .row-body { grid-column: 1; }
:host([layout="compact"]) .row-buttons, :host([layout="button"]) .row-buttons { grid-column: 2; }

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
@media (prefers-reduced-motion: reduce) {
  .bar[data-indeterminate]::after { animation: none; width: 100%; opacity: 0.4; }
}
@media (forced-colors: active) {
  .bar { border: 1px solid CanvasText; height: 8px; }
  .fill, .bar::after { background: Highlight !important; forced-color-adjust: none; }
}
`;
