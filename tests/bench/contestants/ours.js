// This project, as it comes: everything checked.
import { upload } from "@greloupis/uploader";

export default async function send(file, base) {
  const run = upload(file, { endpoint: `${base}/api` });
  await run.done;
  run.cancel();
}
