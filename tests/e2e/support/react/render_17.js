import ReactDOM from "react-dom";

export const render = (app, root) => ReactDOM.render(app, root);
