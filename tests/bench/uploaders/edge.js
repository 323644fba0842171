// Calls to the edge for those contestants that want a signer of their user's.

export async function call(base, method, path, body) {
  const response = await fetch(`${base}/api${path}`, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path.split("/")[1]}: ${response.status}`);
  return response.json();
}

/** Does `work` on all items, `limit` at once, in their order. */
export async function inParallel(limit, items, work) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]);
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  return results;
}
