import type * as React from "react";
import type { GreloupisUploaderElement } from "../element/index.js";
import type { QueueOptions, QueueSnapshot, UploadQueue, UploadQueueEventMap } from "../queue/index.js";

export type * from "../queue/index.js";

/** Called for the events of the list; see `UploadQueueEventMap`. */
export interface UploaderCallbacks {
  onFilesAdded?(event: UploadQueueEventMap["filesadded"]): void;
  onDuplicate?(event: UploadQueueEventMap["duplicate"]): void;
  onFilesRejected?(event: UploadQueueEventMap["filesrejected"]): void;
  onUploadStart?(event: UploadQueueEventMap["uploadstart"]): void;
  onUploadProgress?(event: UploadQueueEventMap["uploadprogress"]): void;
  onUploaded?(event: UploadQueueEventMap["uploaded"]): void;
  onConversionProgress?(event: UploadQueueEventMap["conversionprogress"]): void;
  onReady?(event: UploadQueueEventMap["ready"]): void;
  onUploadError?(event: UploadQueueEventMap["uploaderror"]): void;
  onUploadCanceled?(event: UploadQueueEventMap["uploadcanceled"]): void;
  onTitleChange?(event: UploadQueueEventMap["titlechange"]): void;
  onFileRemoved?(event: UploadQueueEventMap["fileremoved"]): void;
  onQueueChange?(event: UploadQueueEventMap["queuechange"]): void;
}

export interface UseUploaderOptions extends QueueOptions, UploaderCallbacks {
  /** A list that outlives the component, or is shared by several; it has its own options. */
  queue?: UploadQueue;
}

export type DropzoneProps = React.HTMLAttributes<HTMLElement>;
export type InputProps = React.InputHTMLAttributes<HTMLInputElement>;

export interface Uploader extends QueueSnapshot {
  /** What adds, pauses, resumes, cancels, retries and removes files. */
  readonly queue: UploadQueue;
  readonly isDragging: boolean;
  /** Opens the file dialog of the input with {@link getInputProps}. */
  open(): void;
  /** Makes an element take files that are dropped or pasted. */
  getDropzoneProps(props?: DropzoneProps): DropzoneProps;
  /** Makes an `<input>` choose files. */
  getInputProps(props?: InputProps): InputProps & { ref: React.Ref<HTMLInputElement> };
}

/**
 * A list of uploads with a page of your own:
 *
 * ```tsx
 * import { useUploader } from "@greloupis/uploader/react";
 *
 * export function Videos() {
 *   const { items, queue, getDropzoneProps, getInputProps, open } = useUploader({ endpoint: "/api", multiple: true });
 *   return (
 *     <div {...getDropzoneProps()}>
 *       <input {...getInputProps({ hidden: true })} />
 *       <button type="button" onClick={open}>Choose videos</button>
 *       {items.map((item) => (
 *         <p key={item.id}>
 *           {item.title} {item.state} <progress value={item.sent} max={item.size} />
 *           <button type="button" onClick={() => queue.cancel(item)}>Cancel</button>
 *         </p>
 *       ))}
 *     </div>
 *   );
 * }
 * ```
 *
 * An upload goes on when the component is unmounted; to show it again, keep the list outside and pass it as `queue`.
 */
export function useUploader(options?: UseUploaderOptions): Uploader;

export interface GreloupisUploaderProps
  extends UploaderCallbacks,
    Pick<React.HTMLAttributes<HTMLElement>, "children" | "className" | "dir" | "id" | "lang" | "slot" | "style"> {
  endpoint?: string;
  token?: GreloupisUploaderElement["token"];
  accept?: string;
  multiple?: boolean;
  maxFiles?: number;
  maxSize?: number | string;
  maxDuration?: number;
  parallelFiles?: number;
  layout?: "full" | "compact" | "button";
  theme?: "light" | "dark";
  directory?: boolean;
  capture?: boolean;
  dropTarget?: "page";
  editableTitles?: boolean;
  allowLeave?: boolean;
  name?: string;
  required?: boolean;
  disabled?: boolean;
  beforeUpload?: GreloupisUploaderElement["beforeUpload"];
  readyContent?: GreloupisUploaderElement["readyContent"];
  texts?: GreloupisUploaderElement["texts"];
}

/**
 * `<greloupis-uploader>` with React's names for everything.
 *
 * ```tsx
 * import { GreloupisUploader } from "@greloupis/uploader/react";
 *
 * export const Videos = ({ token }: { token: string }) => (
 *   <GreloupisUploader endpoint="/api" token={token} multiple onReady={({ detail }) => console.log(detail.video.urls.hls)} />
 * );
 * ```
 */
export const GreloupisUploader: React.ForwardRefExoticComponent<
  GreloupisUploaderProps & React.RefAttributes<GreloupisUploaderElement>
>;
