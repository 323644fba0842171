/** Small helpers over the document: templates, names, news. No state and no network. */

export const byId = (id) => document.getElementById(id);

/** A copy of a template: its root, and its parts by their `data-part`. */
export function fromTemplate(id) {
  const root = byId(id).content.firstElementChild.cloneNode(true);
  const parts = {};
  for (const part of root.querySelectorAll("[data-part]")) parts[part.dataset.part] = part;
  return { root, parts };
}

export function el(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export const icon = (use, name) => use.setAttribute("href", `#icon-${name}`);

const TAIL = 10;
const letters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * Shows a file's name on one line. A long one loses its middle, so that its ending stays readable;
 * the text itself stays whole for search, copying and screen readers.
 */
export function showName(element, name) {
  const all = Array.from(letters.segment(name), (part) => part.segment);
  const cut = Math.max(0, all.length - TAIL);
  element.replaceChildren(
    el("span", { className: "name-head", textContent: all.slice(0, cut).join("") }),
    el("span", { className: "name-tail", textContent: all.slice(cut).join("") }),
  );
  element.title = name;
}

/**
 * Puts a picture into a slot once it has loaded, in place of an earlier one; a broken one leaves the slot as it
 * is. Resolves when either is known.
 */
export function showPicture(slot, url) {
  const earlier = slot.querySelectorAll("img");
  const picture = el("img", { alt: "", decoding: "async", loading: "lazy" });
  return new Promise((known) => {
    picture.addEventListener("load", () => {
      slot.classList.add("pictured");
      for (const other of earlier) other.remove();
      known();
    });
    picture.addEventListener("error", () => {
      picture.remove();
      known();
    });
    picture.src = url;
    slot.prepend(picture);
  });
}

/** Tells a change to those who listen to the page. */
export function announce(sentence) {
  byId("news").textContent = sentence;
}

/** Links to the MP4 files by their heights, smallest first. */
export function downloads(mp4) {
  const byHeight = Object.entries(mp4).sort(([a], [b]) => a - b);
  const links = byHeight.map(([height, url]) => {
    const link = el("a", { href: url, download: "", textContent: `${height}p` });
    link.setAttribute("aria-label", `MP4, ${height}p`);
    return link;
  });
  return el("span", { className: "downloads" }, "MP4", ...links);
}
