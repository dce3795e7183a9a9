// Live captions of a room, by LiveKit's own hook: a page needs nothing from us.
//
//     npm ci
//     npm start    # http://127.0.0.1:8080/#url=…&token=… with what examples/create_room.py prints
import { LiveKitRoom, useConnectionState, useTranscriptions } from "@livekit/components-react";
import { useEffect, useRef } from "react";
import { createRoot } from "react-dom/client";

function Captions() {
  const state = useConnectionState();
  const lines = useTranscriptions(); // one entry an utterance, with the latest of its text
  const end = useRef(null);
  useEffect(() => { end.current.scrollIntoView(); }, [lines]);
  return (
    <>
      {state !== "connected" && <p role="status">{state}</p>}
      <div role="log">
        {lines.filter((line) => line.text.trim()).map(({ text, participantInfo, streamInfo }) => {
          const final = streamInfo.attributes["lk.transcription_final"] === "true";
          return (
            <p key={streamInfo.attributes["lk.segment_id"]} className={final ? "final" : "interim"}>
              <b>{streamInfo.attributes["transcript.label"] ?? participantInfo.identity}</b> {text}
            </p>
          );
        })}
      </div>
      <div ref={end} />
    </>
  );
}

const { url, token } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
createRoot(document.getElementById("captions")).render(
  url && token ? (
    <LiveKitRoom serverUrl={url} token={token} onError={(error) => alert(error.message)}>
      <Captions />
    </LiveKitRoom>
  ) : (
    <p>Add #url=…&token=… to this page's address: where LiveKit is, and a token of the room.</p>
  ),
);
