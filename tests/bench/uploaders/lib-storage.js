// The AWS SDK's uploader with its default checksum.
import { S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";

export default async function send(file, base) {
  const client = new S3Client({
    endpoint: `${base}/s3`,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
  });
  await new Upload({ client, params: { Bucket: "uploads", Key: "file", Body: file }, queueSize: 6 }).done();
}
