// One request with the whole file, which nobody could resume: how fast a browser can be at all.
import { sendRaw } from "./raw.js";

export default (file, base) => sendRaw(file, base, Math.ceil(file.size / 2 ** 20) * 2 ** 20);
