// What the watch page loads to play: controls, menus, and HLS. Bundled by `xtask/src/site.rs`.

import "media-chrome";

// Each in a task of its own, so that none holds the page for long.
await import("media-chrome/menu");
await import("hls-video-element");
