/** The access token: asked for when the API wants one, kept for this tab only, shown to nobody. */

import { byId } from "./dom.js";

const KEY = "greloupis.access";
let asking;

byId("access-later").addEventListener("click", () => byId("access").close());

/** The token to send, or an empty string. */
export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

/**
 * Asks for a token; resolves to whether one was given. `refused` is the one that the API didn't take:
 * where another has been given meanwhile, nobody is asked twice.
 */
export function ask(refused) {
  if (token() && token() !== refused) return Promise.resolve(true);
  asking ??= new Promise((resolve) => {
    const dialog = byId("access");
    const field = byId("access-token");
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "use" ? field.value.trim() : "";
      field.value = "";
      asking = undefined;
      if (given) sessionStorage.setItem(KEY, given);
      resolve(Boolean(given));
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}
