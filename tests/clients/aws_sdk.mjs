// Everyday calls of @aws-sdk/client-s3. Usage: aws_sdk.mjs ENDPOINT. Prints `passed` at the end.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const [endpoint] = process.argv.slice(2);
const s3 = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, maxAttempts: 1 });
const Bucket = "aws-sdk-js";
const body = randomBytes(100_000);
/** @param {string} Key */
async function read(Key) {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

await s3.send(new CreateBucketCommand({ Bucket }));
assert((await s3.send(new ListBucketsCommand({}))).Buckets.some((bucket) => bucket.Name === Bucket));
await s3.send(new PutObjectCommand({ Bucket, Key: "bytes", Body: body, ContentType: "video/mp4" }));
assert.deepEqual(await read("bytes"), body);
// A stream has no length, so it is sent as `aws-chunked` in HTTP chunks.
const stream = { Bucket, Key: "stream", Body: Readable.from([body.subarray(0, 70_000), body.subarray(70_000)]) };
await s3.send(new PutObjectCommand({ ...stream, ContentLength: body.length }));
assert.deepEqual(await read("stream"), body);
const large = randomBytes(12 * 1024 * 1024);
const upload = new Upload({ client: s3, params: { Bucket, Key: "large", Body: Readable.from([large]) } });
assert.match((await upload.done()).ETag ?? "", /^"[0-9a-f]{32}-3"$/);
assert.deepEqual(await read("large"), large);
const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "large" }));
assert.equal(head.ContentLength, large.length);
await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/bytes` }));
assert.deepEqual(await read("copy"), body);
const target = { Bucket, Key: "part-copy" };
const { UploadId } = await s3.send(new CreateMultipartUploadCommand(target));
const part = new UploadPartCopyCommand({ ...target, UploadId, PartNumber: 1, CopySource: `${Bucket}/large` });
const { CopyPartResult } = await s3.send(part);
const Parts = [{ PartNumber: 1, ETag: CopyPartResult?.ETag }];
await s3.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
assert.deepEqual(await read("part-copy"), large);
const keys = [];
for await (const page of paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket })) {
  keys.push(...(page.Contents ?? []).map((entry) => entry.Key));
}
assert.deepEqual(keys, ["bytes", "copy", "large", "part-copy", "stream"]);
assert.equal((await s3.send(new ListObjectsCommand({ Bucket }))).Contents?.length, 5);
const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "bytes" }), { expiresIn: 60 });
assert.deepEqual(Buffer.from(await (await fetch(url)).arrayBuffer()), body);
await s3.send(new DeleteObjectCommand({ Bucket, Key: "bytes" }));
const Objects = keys.slice(1).map((Key) => ({ Key }));
assert.equal((await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))).Deleted?.length, 4);
await s3.send(new DeleteBucketCommand({ Bucket }));
console.log("passed");
