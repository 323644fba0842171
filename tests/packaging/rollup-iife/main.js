import "@greloupis/uploader/inline/element";
