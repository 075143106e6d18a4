// The video page: upload, progress, and what came of it.

import { byId, classes, colours, fitCanvas, notice, receiveFiles, send } from "./common.js";

const [player, strip, progress] = [byId("player"), byId("timeline"), byId("progress")];
const ROW = 26;
const LEFT = 34;
let job = null; // { request, id, address } of the upload under way or shown
let times = null; // its timeline

receiveFiles(begin);
byId("cancel").addEventListener("click", () => forget("The video was cancelled and removed."));
byId("another").addEventListener("click", () => {
  forget("");
  byId("choose").focus();
});
window.addEventListener("pagehide", () => forget(""));
new ResizeObserver(drawTimeline).observe(strip.parentElement);
player.addEventListener("timeupdate", drawTimeline);
strip.addEventListener("click", (event) => {
  const { left, width } = strip.getBoundingClientRect();
  const share = (event.clientX - left - LEFT) / (width - LEFT);
  player.currentTime = Math.max(0, Math.min(share, 1)) * times.seconds;
});
byId("legend").append(...classes.map((name, index) => {
  const item = document.createElement("li");
  const patch = document.createElement("i");
  patch.style.background = colours[index];
  item.append(patch, name);
  return item;
}));

async function begin(file) {
  await forget("");
  const own = (job = { request: new XMLHttpRequest(), id: null });
  notice();
  byId("drop").hidden = true;
  byId("working").hidden = false;
  report("Sending the video", 0);
  try {
    own.id = (await upload(own.request, file)).video;
    if (job !== own) return remove(own);
    const state = await follow(own);
    if (job === own) await show(own, state);
  } catch (error) {
    if (job !== own) return;
    forget("");
    notice(error.message);
  }
}

// fetch tells nothing of an upload's progress; XMLHttpRequest does.
function upload(request, file) {
  return new Promise((resolve, refuse) => {
    request.upload.onprogress = ({ loaded, total }) => report("Sending the video", loaded / total);
    request.onerror = () => refuse(new Error(
      "The video could not be sent: it is too large, or the server does not answer."));
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* not the server's own words */ }
      if (request.status === 202) resolve(answer);
      else refuse(new Error(answer.detail ?? `The server refused the video (${request.status}).`));
    };
    request.open("POST", "api/v1/videos");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  });
}

async function follow(own) {
  while (job === own) {
    const state = await (await send(`api/v1/videos/${own.id}`)).json();
    if (state.state === "failed") throw new Error(`The video could not be read: ${state.detail}.`);
    if (state.state === "done") return state;
    if (state.state === "waiting") report("Waiting for other videos", null);
    else if (!state.length) report(`Reading: ${state.frames} frames`, null);
    else {
      const share = Math.min(1, state.frames / state.length);
      report(`Reading: ${state.frames} of ${state.length} frames`, share);
    }
    await new Promise((resume) => setTimeout(resume, 500));
  }
  return null;
}

async function show(own, state) {
  const address = `api/v1/videos/${own.id}`;
  times = await (await send(`${address}/timeline`)).json();
  if (job !== own) return;
  byId("working").hidden = true;
  byId("result").hidden = false;
  player.src = byId("keep").href = `${address}/video`;
  byId("table").href = `${address}/table`;
  const faces = state.faces === 1 ? "1 face" : `${state.faces} faces`;
  const text = `${faces} in ${state.frames} frames, ${times.seconds.toFixed(1)} seconds.`;
  byId("summary").textContent = `Done: ${text}`;
  byId("timelineText").textContent = text + times.tracks.map(describe).join("");
  drawTimeline();
}

// A track in words: the classes it was read as, the most frequent first.
function describe({ track, cells }) {
  const counts = new Map();
  cells.forEach(([, index]) => counts.set(index, (counts.get(index) ?? 0) + 1));
  const order = [...counts].sort((a, b) => b[1] - a[1]);
  return ` Face ${track}: ${order.map(([index]) => classes[index]).join(", ")}.`;
}

function drawTimeline() {
  if (!times || byId("result").hidden) return;
  const width = strip.clientWidth;
  const height = Math.max(1, times.tracks.length) * ROW + 22;
  strip.style.height = `${height}px`;
  const context = fitCanvas(strip, width, height);
  const style = getComputedStyle(strip);
  const second = (width - LEFT) / times.seconds;
  context.font = `13px ${style.fontFamily}`;
  context.textBaseline = "middle";
  times.tracks.forEach(({ track, cells }, row) => {
    context.fillStyle = style.color;
    context.fillText(track, 4, row * ROW + ROW / 2);
    cells.forEach(([column, index, share]) => {
      context.globalAlpha = 0.25 + 0.75 * share;
      context.fillStyle = colours[index];
      const [from, to] = [column, column + 1].map((end) => Math.round(end * times.step * second));
      context.fillRect(LEFT + from, row * ROW + 3, to - from, ROW - 6);
    });
    context.globalAlpha = 1;
  });
  drawSeconds(context, style, second, height);
  context.fillStyle = style.color;
  context.fillRect(LEFT + Math.min(player.currentTime, times.seconds) * second - 1, 0, 2, height - 18);
}

function drawSeconds(context, style, second, height) {
  const steps = [1, 2, 5, 10, 20, 30, 60, 120, 300];
  const step = steps.find((seconds) => seconds * second >= 60) ?? 600;
  context.fillStyle = style.color;
  context.globalAlpha = 0.7;
  for (let time = 0; time * second < strip.clientWidth - LEFT - 30; time += step) {
    context.fillText(`${time} s`, LEFT + time * second, height - 9);
  }
  context.globalAlpha = 1;
}

function report(text, share) {
  byId("stageText").textContent = text;
  if (share === null) progress.removeAttribute("value");
  else progress.value = share;
}

// Back to the beginning; the server removes what it has.
async function forget(text) {
  const last = job;
  job = times = null;
  player.removeAttribute("src");
  player.load();
  byId("result").hidden = byId("working").hidden = true;
  byId("drop").hidden = false;
  byId("summary").textContent = text;
  last?.request.abort();
  if (last?.id) await remove(last);
}

const remove = ({ id }) =>
  fetch(`api/v1/videos/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});
