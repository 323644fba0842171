/** The bearer token: requested in a dialog when the API demands one, kept in this tab's session storage only. */

import { dialogById, elementById, inputById } from "./dom.js";

const STORAGE_KEY = "greloupis.token";

/** @type {Promise<boolean> | undefined} */
let pendingRequest;

elementById("auth-cancel").addEventListener("click", () => dialogById("auth-dialog").close());

/** The token to send, or an empty string. */
export function getToken() {
  return sessionStorage.getItem(STORAGE_KEY) ?? "";
}

/**
 * Opens the token dialog and resolves to whether a token was entered. `rejectedToken` is the one that the API
 * refused: if another was entered meanwhile, the dialog isn't opened again. Concurrent calls share one dialog.
 *
 * @param {string} rejectedToken
 */
export function requestToken(rejectedToken) {
  if (getToken() && getToken() !== rejectedToken) return Promise.resolve(true);
  pendingRequest ??= openDialog().finally(() => {
    pendingRequest = undefined;
  });
  return pendingRequest;
}

/** @returns {Promise<boolean>} */
function openDialog() {
  const dialog = dialogById("auth-dialog");
  const field = inputById("auth-token");
  dialog.returnValue = "";
  return new Promise((resolve) => {
    const onClose = () => {
      const entered = dialog.returnValue === "submit" ? field.value.trim() : "";
      field.value = "";
      if (entered) sessionStorage.setItem(STORAGE_KEY, entered);
      resolve(Boolean(entered));
    };
    dialog.addEventListener("close", onClose, { once: true });
    dialog.showModal();
  });
}
