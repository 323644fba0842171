// This project's uploader with default options, so with all checks.
import { upload } from "@greloupis/uploader";

export default async function send(file, base) {
  // The files are random bytes, not videos.
  const run = upload(file, { endpoint: `${base}/api`, allowAnyFile: true });
  await run.done;
  run.cancel();
}
