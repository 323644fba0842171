import { GreloupisUploader } from "@greloupis/uploader/react";
import { Card, message } from "antd";
import { createVideo, updateVideo } from "./api";

const MEGABYTE = 1024 * 1024;

export default function VideoUpload() {
  return (
    <Card title="Upload a video" style={{ maxWidth: 640, margin: "24px auto" }}>
      <GreloupisUploader
        endpoint="/api"
        token={() => localStorage.getItem("token") ?? undefined}
        editableTitles
        beforeUpload={async () => ({ videoId: await createVideo() })}
        onUploaded={({ detail: { item } }) =>
          updateVideo(item.videoId, {
            video_raw_content: item.name,
            video_raw_size: item.size / MEGABYTE,
            video_duration: Math.round((item.durationMs ?? 0) / 1000),
            video_title: item.title,
          })
        }
        onReady={({ detail: { item } }) => message.success(`${item.title} can be watched`)}
        onUploadError={({ detail: { item, error } }) => message.error(`${item.title}: ${error.message}`)}
      />
    </Card>
  );
}
