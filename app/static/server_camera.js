// Where the picture does not come, ask the server why.

import { byId, notice, send } from "./common.js";

byId("feed").addEventListener("error", async () => {
  byId("feed").hidden = true;
  try {
    const answer = await send("video_feed", { headers: { Accept: "application/json" } });
    await answer.body.cancel();
    location.reload();
  } catch (error) {
    notice(error.message);
  }
});

// A picture that stands still looks like one that moves little: say when the camera is lost.
setInterval(async () => {
  if (byId("feed").hidden) return;
  try {
    const { message } = await (await send("server-camera/state")).json();
    notice(message);
  } catch (error) {
    notice(error.message);
  }
}, 2000);
