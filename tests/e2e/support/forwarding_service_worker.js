// A service worker that forwards every request, as those of many progressive web apps do.

addEventListener("install", () => /** @type {any} */ (globalThis).skipWaiting());
addEventListener("fetch", (event) => {
  const fetchEvent = /** @type {any} */ (event);
  fetchEvent.respondWith(fetch(fetchEvent.request));
});
