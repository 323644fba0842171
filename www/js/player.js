// What the watch page loads to play: controls, menus, and HLS. Bundled by `xtask/src/site.rs`.

import "media-chrome";
import "media-chrome/menu";
import "hls-video-element";
