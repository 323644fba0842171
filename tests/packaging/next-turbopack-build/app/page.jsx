import { GreloupisUploader } from "@greloupis/uploader/react";

export default function Page() {
  return <GreloupisUploader endpoint="/api" />;
}
