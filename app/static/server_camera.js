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
