/** Puts the page together. */

import { takeFiles } from "./drop.js";
import { Queue } from "./queue.js";
import { Unfinished } from "./unfinished.js";
import { Videos } from "./videos.js";
import { watchAddress } from "./watch.js";

const queue = new Queue({
  changed: () => unfinished.look(),
  dropped: (videoId) => videos.show(videoId),
});
const unfinished = new Unfinished({
  isHere: (file) => queue.holds(file),
  go: (entry) => queue.add([entry]),
});
const videos = new Videos((videoId) => queue.has(videoId) || unfinished.has(videoId));

takeFiles((entries) => queue.add(entries));
watchAddress();
// What is unfinished is shown in its own place, so that has to be known first.
unfinished.look().finally(() => videos.load());
