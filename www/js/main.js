/** Puts the page together. */

import { takeFiles } from "./drop.js";
import { Queue } from "./queue.js";
import { Videos } from "./videos.js";
import { watchAddress } from "./watch.js";

const queue = new Queue((videoId) => videos.show(videoId));
const videos = new Videos((videoId) => queue.has(videoId));

takeFiles((files) => queue.add(files));
watchAddress();
videos.load();
