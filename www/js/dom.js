/** DOM helpers: elements by id, templates, previews. No state and no network. */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function elementById(id) {
  return typedElementById(id, HTMLElement);
}

/** @param {string} id */
export const buttonById = (id) => typedElementById(id, HTMLButtonElement);

/** @param {string} id */
export const dialogById = (id) => typedElementById(id, HTMLDialogElement);

/** @param {string} id */
export const inputById = (id) => typedElementById(id, HTMLInputElement);

/**
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function typedElementById(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new TypeError(`#${id} isn't a ${type.name}`);
  return element;
}

/**
 * A copy of a template: its root element, and its parts by their `data-part`.
 *
 * @template {Record<string, Element>} Parts
 * @param {string} id
 * @returns {{ root: HTMLElement, parts: Parts }}
 */
export function fromTemplate(id) {
  const { content } = typedElementById(id, HTMLTemplateElement);
  const root = /** @type {HTMLElement} */ (content.firstElementChild?.cloneNode(true));
  /** @type {Record<string, Element>} */
  const parts = {};
  for (const part of root.querySelectorAll("[data-part]")) parts[part.getAttribute("data-part") ?? ""] = part;
  return { root, parts: /** @type {Parts} */ (parts) };
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Partial<HTMLElementTagNameMap[Tag]>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function createElement(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/**
 * Loads an image into a preview, replacing an earlier one. If it can't be loaded, the preview stays unchanged.
 * Resolves in both cases.
 *
 * @param {Element} preview
 * @param {string} url
 * @returns {Promise<void>}
 */
export function showImage(preview, url) {
  const earlier = preview.querySelectorAll("img");
  const image = createElement("img", { alt: "", decoding: "async", loading: "lazy" });
  return new Promise((resolve) => {
    image.addEventListener("load", () => {
      preview.classList.add("has-image");
      for (const other of earlier) other.remove();
      resolve();
    });
    image.addEventListener("error", () => {
      image.remove();
      resolve();
    });
    image.src = url;
    preview.prepend(image);
  });
}

/**
 * Links to the MP4 files by their heights, smallest first.
 *
 * @param {Record<string, string>} mp4
 */
export function downloadLinks(mp4) {
  const byHeight = Object.entries(mp4).sort(([a], [b]) => Number(a) - Number(b));
  const links = byHeight.map(([height, url]) => {
    const link = createElement("a", { href: url, download: "", textContent: `${height}p` });
    link.setAttribute("aria-label", `MP4, ${height}p`);
    return link;
  });
  return createElement("span", { className: "downloads" }, "MP4", ...links);
}
