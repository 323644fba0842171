/** Plays an HLS playlist in a video element: natively where the browser supports HLS, else by hls.js. */

const HLS_TYPE = "application/vnd.apple.mpegurl";

/**
 * Starts playing `url`; returns a function that stops and releases the element. `onError(message)` is called when
 * the video can't be played.
 *
 * @param {HTMLVideoElement} video
 * @param {string} url
 * @param {(message: string) => void} onError
 */
export function play(video, url, onError) {
  const stopped = new AbortController();
  /** @type {import("hls.js").default | undefined} */
  let hls;

  const playByHlsJs = async (/** @type {number} */ startPosition) => {
    try {
      // 0.5 MB, therefore imported only when it is needed.
      const { default: Hls } = await import("hls.js");
      if (stopped.signal.aborted) return;
      if (!Hls.isSupported()) return onError("This browser can't play the video. The MP4 files below may work.");
      const instance = new Hls({ startPosition, capLevelToPlayerSize: true });
      hls = instance;
      let recovered = false;
      instance.on(Hls.Events.ERROR, (_, { fatal, type }) => {
        if (!fatal) return;
        if (type === Hls.ErrorTypes.MEDIA_ERROR && !stopped.signal.aborted && !recovered) {
          recovered = true;
          return instance.recoverMediaError();
        }
        onError("The video can't be played right now. Close it and try again.");
      });
      instance.loadSource(url);
      instance.attachMedia(video);
      start();
    } catch {
      if (!stopped.signal.aborted) onError("The player can't be loaded. Look at your connection and try again.");
    }
  };

  // Rejects where autoplay isn't allowed; the viewer then starts it by the controls.
  const start = () => video.play().catch(() => {});

  if (video.canPlayType(HLS_TYPE)) {
    const options = { once: true, signal: stopped.signal };
    video.addEventListener("error", () => playByHlsJs(video.currentTime), options);
    video.src = url;
    start();
  } else {
    playByHlsJs(0);
  }

  return () => {
    stopped.abort();
    hls?.destroy();
    video.pause();
    video.removeAttribute("src");
    video.load();
  };
}
