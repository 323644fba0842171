import "antd/dist/antd.css";
import ReactDOM from "react-dom";
import VideoUpload from "./VideoUpload";

ReactDOM.render(<VideoUpload />, document.getElementById("root"));
