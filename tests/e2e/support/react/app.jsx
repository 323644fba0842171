// A page in React: a list of its own design by the hook, and the component, in StrictMode.

import { GreloupisUploader, useUploader } from "@greloupis/uploader/react";
import { StrictMode, useEffect, useState } from "react";
import { render } from "render";

function OwnList({ file }) {
  const { items, totals, queue, getDropzoneProps, getInputProps, open } = useUploader({
    endpoint: "/api",
    multiple: true,
    onReady: ({ detail }) => globalThis.seen.push(`ready ${detail.item.name}`),
  });
  useEffect(() => {
    // StrictMode runs this twice; the second time the file is on the list already.
    if (file) queue.add([file]);
  }, [queue, file]);
  return (
    <div id="zone" {...getDropzoneProps()}>
      <input id="input" {...getInputProps({ hidden: true })} />
      <button id="open" type="button" onClick={open}>
        Choose
      </button>
      <output id="totals">{`${totals.stored} of ${totals.files}`}</output>
      {items.map((item) => (
        <p key={item.id} className="item" data-state={item.state}>
          {item.title}
        </p>
      ))}
    </div>
  );
}

function App() {
  const [file, setFile] = useState();
  const [isShown, setShown] = useState(true);
  Object.assign(globalThis, { setShown });
  return (
    <>
      <input id="outside" type="file" onChange={(event) => setFile(event.target.files[0])} />
      {isShown && <OwnList file={file} />}
      <GreloupisUploader
        id="component"
        endpoint="/api"
        multiple
        maxFiles={3}
        texts={{ chooseMany: "Pick" }}
        onUploaded={({ detail }) => globalThis.seen.push(`uploaded ${detail.item.name}`)}
      />
    </>
  );
}

globalThis.seen = [];
render(
  <StrictMode>
    <App />
  </StrictMode>,
  document.querySelector("#root"),
);
