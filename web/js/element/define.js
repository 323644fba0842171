// Registers `<greloupis-uploader>`. Loaded twice, or from two copies of the package, the first one stays.

import { GreloupisUploaderElement, UploadQueue } from "./uploader_element.js";

export { GreloupisUploaderElement, UploadQueue };

// There are no elements on a server.
if (globalThis.customElements && !customElements.get("greloupis-uploader")) {
  customElements.define("greloupis-uploader", GreloupisUploaderElement);
}
