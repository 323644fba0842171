// A frame of a video on the user's disk, decoded by the browser. The worker draws it, which takes longer than a page
// may be blocked.

/** @import { CapturedFrame } from "./messages.js" */

/** The widest poster, in pixels. */
const MAX_WIDTH = 640;
/** Where the frame is taken, in seconds: many videos start black. */
const POSITION_SECONDS = 1;
const DECODE_TIMEOUT_MS = 10_000;

/**
 * A frame with the size to draw it in; `undefined` where the browser can't play the video.
 * @param {Blob} file
 * @returns {Promise<CapturedFrame | undefined>}
 */
export async function captureFrame(file) {
  const video = Object.assign(document.createElement("video"), { muted: true, preload: "auto", playsInline: true });
  const url = URL.createObjectURL(file);
  try {
    const fired = (/** @type {string} */ type) =>
      new Promise((resolve, reject) => {
        video.addEventListener(type, resolve, { once: true });
        video.addEventListener("error", reject, { once: true });
        setTimeout(reject, DECODE_TIMEOUT_MS);
      });
    const metadata = fired("loadedmetadata");
    video.src = url;
    await metadata;
    const seeked = fired("seeked");
    video.currentTime = Math.min(POSITION_SECONDS, video.duration / 2 || 0);
    await seeked;
    const { videoWidth, videoHeight } = video;
    const scale = Math.min(1, MAX_WIDTH / videoWidth);
    // Without `rotation`, frames of phone videos lie on their side; bitmaps don't, but block the page.
    const isUpright = globalThis.VideoFrame && "rotation" in VideoFrame.prototype;
    const frame = isUpright ? new VideoFrame(video) : await createImageBitmap(video);
    return { frame, width: Math.ceil(videoWidth * scale), height: Math.ceil(videoHeight * scale) };
  } catch {
    return undefined;
  } finally {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  }
}
