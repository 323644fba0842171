// This project, as it comes: everything checked.
import { upload } from "@greloupis/uploader";

export default async function send(file, base) {
  // The files are of random bytes.
  const run = upload(file, { endpoint: `${base}/api`, allowAnyFile: true });
  await run.done;
  run.cancel();
}
