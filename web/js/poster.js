// A still of a video that is on the reader's disk, decoded by the browser itself. Drawing it takes longer than a
// page may be still: that is the worker's.

/** As large as a card needs it, in pixels. */
const WIDTH = 640;
/** Into the video, in seconds: many begin black. */
const AT = 1;
const PATIENCE_MS = 10_000;

/** A frame with the size to draw it in; nothing where the browser can't play the video. */
export async function still(file) {
  const video = Object.assign(document.createElement("video"), { muted: true, preload: "auto", playsInline: true });
  const url = URL.createObjectURL(file);
  try {
    const reached = (event) =>
      new Promise((resolve, reject) => {
        video.addEventListener(event, resolve, { once: true });
        video.addEventListener("error", reject, { once: true });
        setTimeout(reject, PATIENCE_MS);
      });
    const known = reached("loadedmetadata");
    video.src = url;
    await known;
    const there = reached("seeked");
    video.currentTime = Math.min(AT, video.duration / 2 || 0);
    await there;
    const { videoWidth, videoHeight } = video;
    const scale = Math.min(1, WIDTH / videoWidth);
    // Without `rotation`, frames of phone videos lie on their side; bitmaps don't, but take the page's time.
    const upright = globalThis.VideoFrame && "rotation" in VideoFrame.prototype;
    const frame = upright ? new VideoFrame(video) : await createImageBitmap(video);
    return { frame, width: Math.ceil(videoWidth * scale), height: Math.ceil(videoHeight * scale) };
  } catch {
    return undefined;
  } finally {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  }
}
