// A picture of a video that is still on the reader's disk, drawn by the browser itself.

/** As large as a card needs it, in pixels. */
const WIDTH = 640;
/** Into the video, in seconds: many begin black. */
const AT = 1;
const PATIENCE_MS = 10_000;

/** A JPEG of the video, or nothing where the browser can't play it. */
export async function poster(file) {
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
    if (!videoWidth) return undefined;
    const scale = Math.min(1, WIDTH / videoWidth);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [videoWidth * scale, videoHeight * scale];
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
  } catch {
    return undefined;
  } finally {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  }
}
