// Uppy 6 with its S3 plugin, set up as its documentation describes for a signing server.
import AwsS3 from "uppy6-aws-s3";
import Uppy from "uppy6-core";
import { call, withoutChecksums } from "./edge_api.js";

export default async function send(file, server) {
  const base = withoutChecksums(server);
  const uppy = new Uppy().use(AwsS3, {
    shouldUseMultipart: true,
    generateObjectKey: () => "file",
    async signRequest({ method, uploadId, partNumber }) {
      if (partNumber !== undefined) {
        const body = { parts: [{ partNumber }] };
        const { parts } = await call(base, "POST", `/uploads/${uploadId}/parts`, body);
        return { url: parts[0].url };
      }
      const query = uploadId === undefined && method === "POST" ? "uploads=" : `uploadId=${uploadId}`;
      return { url: `${base}/s3/uploads/file?${query}` };
    },
  });
  uppy.addFile({ name: file.name, data: file });
  const { failed } = await uppy.upload();
  if (failed.length > 0) throw new Error(failed[0].error);
}
