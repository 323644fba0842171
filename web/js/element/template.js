// The parts of the element that never change places. Their words come later, see `UploaderView`.

import { button, element, icon, iconButton } from "./dom.js";

export function makeTemplate() {
  const input = (/** @type {Record<string, string | boolean>} */ attributes) =>
    element("input", { type: "file", class: "hidden", tabindex: "-1", "aria-hidden": "true", ...attributes });
  const picker = input({});
  const folderPicker = input({ webkitdirectory: true });
  const camera = input({ accept: "video/*", capture: "environment" });
  const choose = button("choose");
  choose.toggleAttribute("data-primary", true);
  const folder = button("choose-folder");
  const record = button("record");
  record.classList.add("touch");
  const title = element("p", { class: "dropzone-title", part: "dropzone-title" });
  const hint = element("p", { class: "hint", part: "hint" });
  const dropzone = element(
    "div",
    { class: "dropzone", part: "dropzone" },
    element("div", { class: "badge", part: "icon", "aria-hidden": "true" }, named("icon", icon("upload"))),
    element("div", { class: "words" }, named("title", title), named("hint", hint)),
    element("div", { class: "buttons", part: "buttons" }, choose, folder, record, element("slot", { name: "buttons" })),
    ...[picker, folderPicker, camera],
  );
  const noticeText = element("p", { class: "notice-text" });
  const dismiss = iconButton("dismiss", "cancel");
  const notice = element("div", { class: "notice", part: "notice", hidden: true }, icon("alert"), noticeText, dismiss);
  const overlay = element("p", { class: "overlay", part: "overlay", "aria-hidden": "true", hidden: true });
  const base = element("div", { class: "base", part: "base" }, dropzone, notice);
  return {
    base,
    dropzone,
    title,
    hint,
    choose,
    folder,
    record,
    picker,
    folderPicker,
    camera,
    notice,
    noticeText,
    dismiss,
    overlay,
  };
}

/** A slot whose content stands in for `fallback`. @param {string} name @param {Element} fallback */
const named = (name, fallback) => element("slot", { name }, fallback);
