// The two calls of the site's own backend that an upload needs; here the backend is left out.

/** `POST /video`: makes the video and returns its id, 24 hexadecimal digits. */
export const createVideo = async () => {
  const digits = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(digits, (digit) => digit.toString(16).padStart(2, "0")).join("");
};

/** `PUT /video/{id}`: what the site keeps of the file. */
export const updateVideo = async (id, fields) => {
  window.updated = { id, ...fields };
};
