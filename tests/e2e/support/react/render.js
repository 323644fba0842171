// React 18 and later.
import { createRoot } from "react-dom/client";

export const render = (app, root) => createRoot(root).render(app);
