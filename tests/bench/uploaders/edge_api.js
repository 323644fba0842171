// Calls of the edge's API, for uploaders that expect their user to provide a signer.

export async function call(base, method, path, body) {
  const response = await fetch(`${base}/api${path}`, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path.split("/")[1]}: ${response.status}`);
  return response.json();
}

/** Runs `task` for all items, at most `limit` at once; returns the results in order. */
export async function inParallel(limit, items, task) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await task(items[index]);
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  return results;
}

/** The address at which the server asks for no checksums, for uploaders that send none. */
export const withoutChecksums = (server) =>
  server.endsWith("/plain") ? server.replace(/plain$/, "no-checksum") : `${server},no-checksum`;
