import "@greloupis/uploader/element";
