// One request with the whole file, not resumable: the upper limit of a browser's speed.
import { sendInSlices } from "./six_xhrs.js";

export default (file, base) => sendInSlices(file, base, Math.ceil(file.size / 2 ** 20) * 2 ** 20);
