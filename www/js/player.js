/** Plays an HLS playlist in a video element: by the browser itself where it can, else through hls.js. */

const HLS = "application/vnd.apple.mpegurl";

/**
 * Starts playing `url`; returns a function that lets go of it. `failed(sentence)` is called once when
 * nothing can play it.
 */
export function play(video, url, failed) {
  const over = new AbortController();
  let hls;

  const fallBack = async (from) => {
    try {
      // Half a megabyte, so only where it is needed and only when something is played.
      const { default: Hls } = await import("hls.js");
      if (over.signal.aborted) return;
      if (!Hls.isSupported()) return failed("This browser can't play the video. The MP4 files below may work.");
      hls = new Hls({ startPosition: from, capLevelToPlayerSize: true });
      hls.on(Hls.Events.ERROR, (_, { fatal, type }) => {
        if (!fatal) return;
        if (type === Hls.ErrorTypes.MEDIA_ERROR && !over.signal.aborted && !hls.mended) {
          hls.mended = true;
          return hls.recoverMediaError();
        }
        failed("The video can't be played right now. Close it and try again.");
      });
      hls.loadSource(url);
      hls.attachMedia(video);
      start();
    } catch {
      if (!over.signal.aborted) failed("The player can't be loaded. Look at your connection and try again.");
    }
  };

  // A browser may insist on a click of its own: the controls are there for that.
  const start = () => video.play().catch(() => {});

  if (video.canPlayType(HLS)) {
    video.addEventListener("error", () => fallBack(video.currentTime), { once: true, signal: over.signal });
    video.src = url;
    start();
  } else {
    fallBack(0);
  }

  return () => {
    over.abort();
    hls?.destroy();
    video.pause();
    video.removeAttribute("src");
    video.load();
  };
}
