// Six concurrent requests of 32 MiB slices without retry, checksum or progress: the limit for an uploader of parts.
import { call, inParallel, withoutChecksums } from "./edge_api.js";

export default (file, base) => sendInSlices(file, base, 32 * 2 ** 20);

/** Sends a file in requests of `slice` bytes, six at once. */
export async function sendInSlices(file, server, slice) {
  const base = withoutChecksums(server);
  const { upload, partCount } = await call(base, "POST", "/uploads", {
    fileName: file.name,
    size: file.size,
    contentType: file.type,
    partSize: slice,
  });
  const wanted = Array.from({ length: partCount }, (_, index) => ({ partNumber: index + 1 }));
  const { parts } = await call(base, "POST", `/uploads/${upload}/parts`, { parts: wanted });
  await inParallel(6, parts, ({ partNumber, url }) =>
    put(url, file.slice((partNumber - 1) * slice, partNumber * slice)),
  );
  await call(base, "POST", `/uploads/${upload}/complete`, {});
}

function put(url, body) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open("PUT", url);
    xhr.onload = () => (xhr.status === 200 ? resolve() : reject(new Error(xhr.status)));
    xhr.onerror = () => reject(new Error("network"));
    xhr.send(body);
  });
}
