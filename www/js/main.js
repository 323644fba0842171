/** Entry point: connects the file input, the upload queue, unfinished uploads, the video list and the player. */

import { onFilesChosen } from "./drop.js";
import { openFromAddress } from "./player_dialog.js";
import { Queue } from "./queue.js";
import { Unfinished } from "./unfinished.js";
import { Videos } from "./videos.js";

const queue = new Queue({
  onChange: () => unfinished.refresh(),
  onRemove: (videoId) => videos.show(videoId),
});
const unfinished = new Unfinished({
  isQueued: (file) => queue.hasFile(file),
  onContinue: (entry) => queue.add([entry]),
});
const videos = new Videos((videoId) => queue.hasVideo(videoId) || unfinished.hasVideo(videoId));

onFilesChosen((entries) => queue.add(entries));
openFromAddress();
// The list excludes videos that are shown as unfinished, so those are loaded first.
unfinished.refresh().finally(() => videos.loadPage());
