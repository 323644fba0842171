// Presigns parts in Node by the AWS SDK v3. Implements the Runtime API's loop itself, since AWS's runtime client for
// Node needs a compiler to install.

import http from "node:http";
import { S3Client, UploadPartCommand } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

// Created once at start, as AWS recommends.
const s3 = new S3Client({ forcePathStyle: true, requestChecksumCalculation: "WHEN_REQUIRED" });
const Bucket = process.env.UPLOAD_BUCKET;
// The presigner moves headers into the query and leaves `content-length` unsigned unless they are named here.
const unhoistableHeaders = new Set(["x-amz-checksum-crc64nvme"]);
const signableHeaders = new Set(["content-length", "host", "x-amz-checksum-crc64nvme"]);

async function handler(event) {
  const sign = async ({ partNumber, checksum, size }) => {
    const part = new UploadPartCommand({
      Bucket,
      Key: "inputs/v.mp4",
      UploadId: "u",
      PartNumber: partNumber,
      ContentLength: size,
      ChecksumCRC64NVME: checksum,
    });
    return { partNumber, url: await getSignedUrl(s3, part, { expiresIn: 3600, unhoistableHeaders, signableHeaders }) };
  };
  const parts = await Promise.all(JSON.parse(event.body).parts.map(sign));
  return { statusCode: 200, headers: { "content-type": "application/json" }, body: JSON.stringify({ parts }) };
}

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host, port, method, agent, path: `/2018-06-01/runtime/invocation/${path}` },
      (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("end", () => resolve({ headers: response.headers, text: Buffer.concat(chunks).toString() }));
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

for (;;) {
  const { headers, text } = await call("GET", "next");
  const response = JSON.stringify(await handler(JSON.parse(text)));
  await call("POST", `${headers["lambda-runtime-aws-request-id"]}/response`, response);
}
