// Uppy 5 with its S3 plugin, set up as its documentation describes for a signing server.
import AwsS3 from "uppy5-aws-s3";
import Uppy from "uppy5-core";
import { call, withoutChecksums } from "./edge_api.js";

export default async function send(file, server) {
  const base = withoutChecksums(server);
  const uppy = new Uppy().use(AwsS3, {
    shouldUseMultipart: true,
    async createMultipartUpload(file) {
      const body = { fileName: file.name, size: file.size, contentType: "", partSize: 5 * 2 ** 20 };
      const { upload, key } = await call(base, "POST", "/uploads", body);
      return { uploadId: upload, key };
    },
    async signPart(_file, { uploadId, partNumber }) {
      const { parts } = await call(base, "POST", `/uploads/${uploadId}/parts`, { parts: [{ partNumber }] });
      return { url: parts[0].url };
    },
    async completeMultipartUpload(_file, { uploadId }) {
      await call(base, "POST", `/uploads/${uploadId}/complete`, {});
      return {};
    },
    listParts: async () => [],
    abortMultipartUpload: async () => {},
  });
  uppy.addFile({ name: file.name, data: file });
  const { failed } = await uppy.upload();
  if (failed.length > 0) throw new Error(failed[0].error);
}
