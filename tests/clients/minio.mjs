// Everyday calls of minio-js. Usage: minio.mjs ENDPOINT. Prints `passed` at the end.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { Client, CopyConditions } from "minio";

const { hostname, port } = new URL(process.argv[2]);
const s3 = new Client({
  endPoint: hostname,
  port: Number(port),
  useSSL: false,
  accessKey: process.env.AWS_ACCESS_KEY_ID,
  secretKey: process.env.AWS_SECRET_ACCESS_KEY,
  region: "us-east-1",
  partSize: 5 * 1024 * 1024,
});
const bucket = "minio-js";
/** @param {import("node:stream").Readable} stream */
const collect = async (stream) => Buffer.concat(await stream.toArray());
/** @param {import("node:stream").Readable} stream */
const names = async (stream) => (await stream.toArray()).map((entry) => entry.name ?? entry.prefix);

await s3.makeBucket(bucket, "us-east-1");
assert(await s3.bucketExists(bucket));
assert(!(await s3.bucketExists("none")));
assert((await s3.listBuckets()).some((entry) => entry.name === bucket));
const body = randomBytes(100_000);
const { etag } = await s3.putObject(bucket, "folder/bytes", body, body.length, { "x-amz-meta-tint": "red" });
assert.equal(etag, createHash("md5").update(body).digest("hex"));
assert.deepEqual(await collect(await s3.getObject(bucket, "folder/bytes")), body);
assert.deepEqual(await collect(await s3.getPartialObject(bucket, "folder/bytes", 10, 20)), body.subarray(10, 30));
const large = randomBytes(12 * 1024 * 1024);
await s3.putObject(bucket, "large", Readable.from([large]));
assert.deepEqual(await collect(await s3.getObject(bucket, "large")), large);
assert.equal((await s3.statObject(bucket, "folder/bytes")).metaData.tint, "red");
await s3.copyObject(bucket, "copy", `/${bucket}/large`, new CopyConditions());
assert.deepEqual(await names(s3.listObjects(bucket)), ["copy", "large", "folder/"]);
assert.deepEqual((await names(s3.listObjectsV2(bucket, "", true))).sort(), ["copy", "folder/bytes", "large"]);
await s3.setObjectTagging(bucket, "copy", { kind: "film" });
assert.deepEqual(await s3.getObjectTagging(bucket, "copy"), [{ Key: "kind", Value: "film" }]);
const url = await s3.presignedGetObject(bucket, "folder/bytes", 60);
assert.deepEqual(Buffer.from(await (await fetch(url)).arrayBuffer()), body);
await s3.removeObjects(bucket, ["copy", "large"]);
await s3.removeObject(bucket, "folder/bytes");
await s3.removeBucket(bucket);
console.log("passed");
