// Makes elements without HTML strings, which Trusted Types forbid.

/** @type {Record<string, string>} */
const ICONS = {
  upload: "M12 16V4.5M6.5 10 12 4.5l5.5 5.5M4.5 19.5h15",
  film: "M4 6.5A1.5 1.5 0 0 1 5.5 5h13A1.5 1.5 0 0 1 20 6.5v11a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 17.5zM10.3 9.3v5.4l4.5-2.7z",
  pause: "M8.5 5.5v13m7-13v13",
  resume: "M8 5.6v12.8l10-6.4z",
  cancel: "m6.5 6.5 11 11m0-11-11 11",
  retry: "M19 12a7 7 0 1 1-2.1-5M19 4v4.2h-4.2",
  alert: "M12 7.8v5m0 3.2v.1M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z",
  check: "m5 12.5 4.6 4.6L19 7.5",
  edit: "m5 19 .9-3.9L16.3 4.7a1.4 1.4 0 0 1 2 0l1 1a1.4 1.4 0 0 1 0 2L8.9 18.1zM14.5 6.5l3 3",
};
const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with properties (`part`, `class`, `aria-…`, `data-…` as attributes) and children.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | boolean | undefined>} [attributes]
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** @param {SVGElement} svg @param {string} name */
export function setIcon(svg, name) {
  const path = svg.firstElementChild;
  if (path?.getAttribute("d") !== ICONS[name]) path?.setAttribute("d", ICONS[name]);
}

/** A button that never submits a form. @param {string} part @param {...(Node | string)} children */
export const button = (part, ...children) => element("button", { type: "button", part: `button ${part}` }, ...children);

/** A button that shows an icon alone; its label is for the tooltip and for screen readers. @param {string} part @param {string} name */
export function iconButton(part, name) {
  const made = element("button", { type: "button", part: `icon-button ${part}`, class: "icon-button" }, icon(name));
  return made;
}

/** @param {HTMLElement} target @param {string} label @param {string} [title] */
export function setLabel(target, label, title = label) {
  if (target.getAttribute("aria-label") === label) return;
  target.setAttribute("aria-label", label);
  target.title = title;
}

/** Sets the text, if it is another. @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A progress bar. @param {string} part */
export function progressBar(part) {
  const fill = element("div", { part: `${part}-fill`, class: "fill" });
  return element(
    "div",
    { part, class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" },
    fill,
  );
}

/**
 * @param {HTMLElement} bar
 * @param {number | undefined} fraction 0 to 1; `undefined` while it is unknown
 * @param {string} text
 */
export function setProgress(bar, fraction, text) {
  const fill = /** @type {HTMLElement} */ (bar.firstElementChild);
  bar.toggleAttribute("data-indeterminate", fraction === undefined);
  if (fraction === undefined) bar.removeAttribute("aria-valuenow");
  else {
    bar.setAttribute("aria-valuenow", String(Math.floor(fraction * 100)));
    fill.style.transform = `scaleX(${fraction})`;
  }
  bar.setAttribute("aria-valuetext", text);
}
