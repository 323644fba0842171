import * as uploader from "@greloupis/uploader";
import * as element from "@greloupis/uploader/element";
import { UploadQueue } from "@greloupis/uploader/queue";
import { useUploader } from "@greloupis/uploader/react";

const fake = () => ({
  done: Promise.resolve({ videoId: "v1" }),
  ready: new Promise(() => {}),
  state: "uploaded",
  pause() {},
  resume() {},
  cancel() {},
  async *[Symbol.asyncIterator]() {},
});

test("package is imported", () => {
  expect(typeof uploader.upload).toBe("function");
  expect(typeof useUploader).toBe("function");
  expect(customElements.get("greloupis-uploader")).toBe(element.GreloupisUploaderElement);
});

test("element shows the list of a queue that sends nothing", async () => {
  class Fake extends element.GreloupisUploaderElement {
    createQueue() {
      return new UploadQueue({}, { upload: fake, resumable: async () => [] });
    }
  }
  customElements.define("fake-uploader", Fake);
  const uploaderElement = document.createElement("fake-uploader");
  uploaderElement.setAttribute("endpoint", "/api");
  document.body.append(uploaderElement);
  const stored = new Promise((resolve) => uploaderElement.addEventListener("uploaded", resolve));
  uploaderElement.queue.add([new File(["-"], "clip.mp4", { type: "video/mp4" })]);
  expect((await stored).detail.videoId).toBe("v1");
});
