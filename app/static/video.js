// The video page: upload, progress, and what came of it.

import { byId, classes, colours, fitCanvas, notice, receiveFiles, send } from "./common.js";

const [player, strip, progress] = [byId("player"), byId("timeline"), byId("progress")];
const ROW = 26;
const LEFT = 34;
const CONTROLS = { drop: "choose", working: "cancel", result: "player" }; // each section: its first
let job = null; // { answer, id } of the video that is sent, read or shown
let times = null; // its timeline
let removal = null; // the removal that the summary speaks of

receiveFiles(begin);
byId("cancel").addEventListener("click", cancel);
byId("another").addEventListener("click", forget);
window.addEventListener("pagehide", forget);
new ResizeObserver(drawTimeline).observe(strip.parentElement);
player.addEventListener("timeupdate", drawTimeline);
strip.addEventListener("click", (event) => {
  const { left, width } = strip.getBoundingClientRect();
  goTo(((event.clientX - left - LEFT) / (width - LEFT)) * times.seconds);
});
strip.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const page = times.seconds / 10;
  const steps = {
    ArrowLeft: -times.step, ArrowDown: -times.step, ArrowRight: times.step, ArrowUp: times.step,
    PageDown: -page, PageUp: page, Home: -Infinity, End: Infinity,
  };
  if (!(event.key in steps)) return;
  event.preventDefault(); // or the page would scroll
  goTo(player.currentTime + steps[event.key]);
});
byId("legend").append(...classes.map((name, index) => {
  const item = document.createElement("li");
  const patch = document.createElement("i");
  patch.style.background = colours[index];
  item.append(patch, name);
  return item;
}));

async function begin(file) {
  forget();
  const own = (job = { answer: null, id: null });
  notice();
  turnTo("working");
  report("Sending the video", 0);
  try {
    own.answer = upload(file, own);
    own.id = (await own.answer).video;
    const state = await follow(own);
    if (job === own) await show(own, state);
  } catch (error) {
    if (job !== own) return;
    forget();
    notice(error.message);
  }
}

// fetch tells nothing of an upload's progress; XMLHttpRequest does.
function upload(file, own) {
  const request = new XMLHttpRequest();
  return new Promise((resolve, refuse) => {
    request.upload.onprogress = ({ loaded, total }) => {
      if (job === own) report("Sending the video", loaded / total);
      else if (loaded < total) request.abort(); // sent whole, it must be removed by its name
    };
    request.onabort = () => refuse(new Error("The video was cancelled before it was sent."));
    request.onerror = () => refuse(Object.assign(new Error(
      "The video could not be sent: it is too large, or the server does not answer."),
    { unknown: true }));
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
  let failed = 0; // polls, one after the other
  while (job === own) {
    let state;
    try {
      state = await (await send(`api/v1/videos/${own.id}`)).json();
      failed = 0;
    } catch (error) {
      const passing = !(error.status >= 400 && error.status < 500 && error.status !== 429);
      if (!passing || ++failed > 8) throw error;
      report("The server does not answer; asking again", null);
      await new Promise((resume) => setTimeout(resume, Math.min(8000, 250 * 2 ** failed)));
      continue;
    }
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
  turnTo("result");
  player.src = byId("keep").href = `${address}/video`;
  byId("table").href = `${address}/table`;
  const faces = state.faces === 1 ? "1 face" : `${state.faces} faces`;
  const text = `${faces} in ${state.frames} ${state.frames === 1 ? "frame" : "frames"}, ${times.seconds.toFixed(1)} seconds.`;
  byId("summary").textContent = `Done: ${text}`;
  if (state.detail) notice(`${state.detail[0].toUpperCase()}${state.detail.slice(1)}.`);
  strip.setAttribute("aria-valuemax", times.seconds.toFixed(1));
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

function goTo(seconds) {
  player.currentTime = Math.max(0, Math.min(seconds, times.seconds));
  drawTimeline();
}

function drawTimeline() {
  if (!times || byId("result").hidden) return;
  const now = Math.min(player.currentTime, times.seconds);
  strip.setAttribute("aria-valuenow", now.toFixed(1));
  strip.setAttribute("aria-valuetext", `${now.toFixed(1)} seconds${facesAt(now)}`);
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
  context.fillRect(LEFT + now * second - 1, 0, 2, height - 18);
}

// What the faces are read as at a time, in words.
function facesAt(seconds) {
  const column = Math.floor(seconds / times.step);
  return times.tracks.flatMap(({ track, cells }) => cells
    .filter(([one]) => one === column)
    .map(([, index]) => `, face ${track}: ${classes[index]}`)).join("");
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

// Show one of the sections. Focus that would be lost with another goes to its first control.
function turnTo(name) {
  const sections = Object.keys(CONTROLS);
  const lost = document.activeElement === document.body ||
    sections.some((one) => one !== name && byId(one).contains(document.activeElement));
  sections.forEach((one) => { byId(one).hidden = one !== name; });
  if (lost) byId(CONTROLS[name]).focus();
}

async function cancel() {
  const own = forget();
  removal = own;
  byId("summary").textContent = "Cancelling the video …";
  const removed = await own;
  if (removal !== own) return;
  byId("summary").textContent = removed
    ? "The video was cancelled and removed."
    : "The video was cancelled, but the server does not answer. It removes videos after a while by itself.";
}

// Back to the beginning; says in the end whether the server has nothing of the video any more.
async function forget() {
  const last = job;
  job = times = removal = null;
  player.removeAttribute("src");
  player.load();
  turnTo("drop");
  byId("summary").textContent = "";
  return !last || remove(last);
}

async function remove({ answer, id }) {
  try {
    id ??= (await answer).video;
  } catch (error) {
    return !error.unknown; // refused, or never sent whole
  }
  const options = { method: "DELETE", keepalive: true }; // also while the page is left
  return fetch(`api/v1/videos/${id}`, options).then((reply) => reply.ok, () => false);
}
