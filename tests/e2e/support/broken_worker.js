// The uploader's worker in a browser that lacks features: `broken_worker.js?broken=NAME,NAME`.

import { breakBrowser } from "./broken_browser.js";

breakBrowser(new URL(import.meta.url).searchParams.get("broken") ?? "");
const uploader = "/vendor/uploader/worker.js";
await import(uploader);
