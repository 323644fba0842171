import "@greloupis/uploader/inline/element";
import { Component, CUSTOM_ELEMENTS_SCHEMA, provideZonelessChangeDetection } from "@angular/core";
import { bootstrapApplication } from "@angular/platform-browser";
import type { UploadQueueEventMap } from "@greloupis/uploader/inline/element";

@Component({
  selector: "app-upload",
  schemas: [CUSTOM_ELEMENTS_SCHEMA],
  template: `<greloupis-uploader endpoint="/api" multiple [token]="token" (ready)="onReady($event)"></greloupis-uploader>`,
})
export class UploadComponent {
  token = () => localStorage.getItem("token") ?? undefined;

  onReady(event: Event) {
    console.log((event as UploadQueueEventMap["ready"]).detail.video.urls.hls);
  }
}

bootstrapApplication(UploadComponent, { providers: [provideZonelessChangeDetection()] });
