// The hook and the component for React 17 and later.

import * as React from "react";
// Registers the element; does nothing on a server.
import "../element/define.js";
import { UploadQueue } from "../queue/index.js";
import { filesOf } from "../queue/picked_files.js";

/** @import { DropzoneProps, GreloupisUploaderProps, InputProps, UploaderCallbacks, UseUploaderOptions } from "./index.js" */
/** @import { GreloupisUploaderElement } from "../element/index.js" */
/** @import { QueueSnapshot, UploadQueueEventMap } from "../queue/index.js" */

const { createElement, forwardRef, useCallback, useEffect, useMemo, useRef, useState } = React;
/** Effects of layout do nothing on a server, where React warns of them. */
const useLayoutEffect = globalThis.document ? React.useLayoutEffect : useEffect;

/** Callback names and the events that call them. @type {Record<keyof UploaderCallbacks, keyof UploadQueueEventMap>} */
const EVENTS = {
  onFilesAdded: "filesadded",
  onDuplicate: "duplicate",
  onFilesRejected: "filesrejected",
  onUploadStart: "uploadstart",
  onUploadProgress: "uploadprogress",
  onUploaded: "uploaded",
  onConversionProgress: "conversionprogress",
  onReady: "ready",
  onUploadError: "uploaderror",
  onUploadCanceled: "uploadcanceled",
  onTitleChange: "titlechange",
  onFileRemoved: "fileremoved",
  onQueueChange: "queuechange",
};

/** `useSyncExternalStore`, which React 17 lacks. @type {typeof React.useSyncExternalStore} */
const useStore =
  // Not by its name, or bundlers warn that React 17 has none.
  Reflect.get(React, ["use", "SyncExternalStore"].join("")) ??
  ((subscribe, getSnapshot) => {
    const [snapshot, setSnapshot] = useState(getSnapshot);
    useEffect(() => {
      const update = () => setSnapshot(getSnapshot());
      // Something may have changed between rendering and this effect.
      update();
      return subscribe(update);
    }, [subscribe, getSnapshot]);
    return snapshot;
  });

/**
 * Calls the latest callbacks of a component for the events of `target`.
 *
 * @param {EventTarget | null | undefined} target
 * @param {UploaderCallbacks} callbacks
 */
function useEvents(target, callbacks) {
  const latest = useRef(callbacks);
  useLayoutEffect(() => {
    latest.current = callbacks;
  });
  useEffect(() => {
    if (!target) return;
    const connection = new AbortController();
    for (const [name, type] of Object.entries(EVENTS)) {
      const callback = (/** @type {Event} */ event) =>
        /** @type {((event: Event) => void) | undefined} */ (Reflect.get(latest.current, name))?.(event);
      target.addEventListener(type, callback, { signal: connection.signal });
    }
    return () => connection.abort();
  }, [target]);
}

/** @param {UseUploaderOptions} [options] */
export function useUploader(options = {}) {
  const { queue: given, ...queueOptions } = options;
  const [own] = useState(() => given ?? new UploadQueue(queueOptions));
  const queue = given ?? own;
  const snapshot = /** @type {QueueSnapshot} */ (useStore(queue.subscribe, queue.getSnapshot, queue.getSnapshot));
  const [isDragging, setDragging] = useState(false);
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => {
    // A queue that comes from elsewhere keeps its own options.
    if (!given) queue.options = queueOptions;
  });
  useEvents(queue, options);
  useEffect(() => {
    queue.loadUnfinished();
  }, [queue]);

  const open = useCallback(() => input.current?.click(), []);
  const { accept, multiple } = queue.options;
  /** @type {(props?: DropzoneProps) => DropzoneProps} */
  const getDropzoneProps = useCallback(
    (props = {}) => {
      const isOver = (/** @type {boolean} */ value) => (/** @type {React.DragEvent<HTMLElement>} */ event) => {
        if (!event.dataTransfer.types.includes("Files")) return;
        event.preventDefault();
        setDragging(value);
      };
      return {
        ...props,
        onDragEnter: chain(props.onDragEnter, isOver(true)),
        onDragOver: chain(props.onDragOver, isOver(true)),
        onDragLeave: chain(props.onDragLeave, (event) => {
          const { currentTarget, relatedTarget } = event;
          if (!currentTarget.contains(/** @type {Node | null} */ (relatedTarget))) setDragging(false);
        }),
        onDrop: chain(props.onDrop, (event) => {
          event.preventDefault();
          setDragging(false);
          addTransfer(queue, event.dataTransfer);
        }),
        onPaste: chain(props.onPaste, (event) => {
          if (event.clipboardData.files.length > 0) addTransfer(queue, event.clipboardData);
        }),
      };
    },
    [queue],
  );
  /** @type {(props?: InputProps) => InputProps & { ref: React.Ref<HTMLInputElement> }} */
  const getInputProps = useCallback(
    (props = {}) => ({
      ...{ type: "file", accept, multiple },
      ...props,
      ref: input,
      onChange: chain(props.onChange, ({ currentTarget }) => {
        queue.add([...(currentTarget.files ?? [])]);
        currentTarget.value = "";
      }),
    }),
    [queue, accept, multiple],
  );
  return useMemo(
    () => ({ ...snapshot, queue, isDragging, open, getDropzoneProps, getInputProps }),
    [snapshot, queue, isDragging, open, getDropzoneProps, getInputProps],
  );
}

/**
 * Adds the files of a drop or a paste, those of folders included.
 *
 * @param {UploadQueue} queue
 * @param {DataTransfer} transfer
 */
async function addTransfer(queue, transfer) {
  queue.add(await filesOf(transfer));
}

/**
 * Calls a component's own handler first; it keeps ours from running by `preventDefault()`.
 *
 * @template {React.SyntheticEvent} Event
 * @param {((event: Event) => void) | undefined} own
 * @param {(event: Event) => void} handler
 */
const chain = (own, handler) => (/** @type {Event} */ event) => {
  own?.(event);
  if (!event.defaultPrevented) handler(event);
};

/** Properties that no attribute can carry. */
const PROPERTIES = ["token", "beforeUpload", "readyContent", "texts"];
/** Attributes whose names differ from the property's. @type {Record<string, string>} */
const ATTRIBUTES = {
  maxFiles: "max-files",
  maxSize: "max-size",
  maxDuration: "max-duration",
  parallelFiles: "parallel-files",
  dropTarget: "drop-target",
  editableTitles: "editable-titles",
  allowLeave: "allow-leave",
  className: "class",
};

/** `<greloupis-uploader>` with React's names for everything. */
export const GreloupisUploader = forwardRef(
  /**
   * @param {GreloupisUploaderProps} props
   * @param {React.ForwardedRef<GreloupisUploaderElement>} ref
   */
  ({ children, ...props }, ref) => {
    const [element, setElement] = useState(/** @type {GreloupisUploaderElement | null} */ (null));
    useLayoutEffect(() => {
      if (typeof ref === "function") ref(element);
      else if (ref) ref.current = element;
    }, [ref, element]);
    useLayoutEffect(() => {
      for (const name of PROPERTIES) if (element) Reflect.set(element, name, Reflect.get(props, name));
    });
    useEvents(element, props);
    /** @type {Record<string, unknown>} */
    const attributes = { ref: setElement };
    for (const [name, value] of Object.entries(props)) {
      if (PROPERTIES.includes(name) || name in EVENTS || value === false || value === undefined) continue;
      attributes[ATTRIBUTES[name] ?? name] = value;
    }
    return createElement("greloupis-uploader", attributes, children);
  },
);
GreloupisUploader.displayName = "GreloupisUploader";
