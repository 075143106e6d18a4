// The live page: frames to the server one at a time, its answers over the live picture.

import {
  byId, classes, colourOf, colours, drawBox, fitCanvas, notice, openCamera, send,
} from "./common.js";
import { letGo, wish } from "./record.js";

const SIDE = 640; // longer side, in pixels, of the frames that are sent
const [video, overlay, summary] = [byId("video"), byId("overlay"), byId("summary")];
const copy = document.createElement("canvas");
let run = null; // what is running: { session, abort, times }, or null
let shown = null; // the last answer
let said = { text: "", at: 0 };
let pointer = null; // where it is over the stage

for (const name of ["pointermove", "pointerleave"]) {
  byId("stage").addEventListener(name, ({ type, clientX, clientY }) => {
    const { left, top } = byId("stage").getBoundingClientRect();
    pointer = type === "pointerleave" ? null : { x: clientX - left, y: clientY - top };
    draw();
  });
}
byId("start").addEventListener("click", () => (run ? stop() : start()));
byId("mirror").addEventListener("change", () => {
  video.classList.toggle("mirrored", byId("mirror").checked);
  draw();
});
byId("cameras").addEventListener("change", () => {
  stop();
  start(byId("cameras").value);
});
new ResizeObserver(draw).observe(byId("stage"));
window.addEventListener("pagehide", stop);

async function start(deviceId) {
  const own = (run = { session: null, abort: new AbortController(), times: [] });
  notice();
  byId("start").textContent = "Stop the camera";
  byId("hint").firstElementChild.textContent = "Waiting for the camera …";
  byId("hint").hidden = false;
  try {
    const stream = await openCamera(video, own.abort.signal, deviceId);
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      stop();
      notice("The camera was taken away: unplugged, or its permission withdrawn.");
    });
    byId("live").style.setProperty("--ratio", video.videoWidth / video.videoHeight);
    byId("hint").hidden = true;
    await listCameras(stream);
    await watch(own);
  } catch (error) {
    if (run === own) {
      stop();
      notice(error.message);
    }
  }
}

function stop() {
  letGo();
  const last = run;
  run = shown = null;
  last?.abort.abort();
  if (last?.session) endSession(last);
  draw();
  byId("start").textContent = "Start the camera";
  byId("hint").firstElementChild.textContent = "The camera is off.";
  byId("hint").hidden = false;
  byId("figures").textContent = summary.textContent = "";
  said = { text: "", at: 0 };
}

const endSession = ({ session }) =>
  fetch(`api/v1/sessions/${session}`, { method: "DELETE", keepalive: true }).catch(() => {});

async function watch(own) {
  while (run === own) {
    if (document.hidden) {
      await pause(300);
      continue;
    }
    try {
      own.session ??= (await (await send("api/v1/sessions", { method: "POST" })).json()).session;
      if (run !== own) return endSession(own); // it came after the camera was stopped
      const before = performance.now();
      const answer = await send(`api/v1/sessions/${own.session}/frames${wish()}`, {
        method: "POST", body: await grab(), headers: { "Content-Type": "image/jpeg" },
        signal: own.abort.signal,
      });
      const reading = await answer.json();
      if (run !== own) return;
      notice();
      show(reading, performance.now() - before, own.times);
      await new Promise(requestAnimationFrame);
    } catch (error) {
      if (run !== own || error.name === "AbortError") return;
      letGo();
      if (![0, 404, 429, 503].includes(error.status)) throw error;
      if (error.status === 404) own.session = null; // it had been idle for long
      else notice(error.message);
      await pause(1000 * (error.wait ?? 2));
    }
  }
}

const pause = (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds));

function grab() {
  const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
  copy.width = Math.round(video.videoWidth * scale);
  copy.height = Math.round(video.videoHeight * scale);
  copy.getContext("2d").drawImage(video, 0, 0, copy.width, copy.height);
  return new Promise((resume, refuse) => copy.toBlob(
    (blob) => (blob ? resume(blob) : refuse(new Error("The camera gives no picture."))),
    "image/jpeg", 0.85));
}

function show(reading, milliseconds, times) {
  shown = reading;
  draw();
  const now = performance.now();
  times.push(now);
  while (now - times[0] > 2000) times.shift();
  const rate = times.length > 1 ? (1000 * (times.length - 1)) / (now - times[0]) : 0;
  const figures = `${Math.round(milliseconds)} ms · ${rate.toFixed(0)} frames a second`;
  byId("figures").textContent = reading.faces.length ? figures : `No face · ${figures}`;
  say(reading.faces);
}

// In words, for those who do not see the picture; not more often than can be listened to.
function say(faces) {
  const text = faces.length
    ? faces.map((face) => `Face ${face.track}: ${face.label}`).join(", ")
    : "No face in the picture.";
  if (text === said.text || performance.now() - said.at < 1500) return;
  said = { text, at: performance.now() };
  summary.textContent = text;
}

function draw() {
  const { clientWidth: across, clientHeight: down } = byId("stage");
  const context = fitCanvas(overlay, across, down);
  if (!shown) return;
  // The video is fitted into the stage with bars at its sides (object-fit: contain).
  const scale = Math.min(across / shown.width, down / shown.height);
  const [x, y] = [(across - shown.width * scale) / 2, (down - shown.height * scale) / 2];
  const mirrored = byId("mirror").checked;
  const faces = shown.faces.map(({ box, ...rest }) => {
    const left = mirrored ? shown.width - box.left - box.width : box.left;
    return { ...rest, box: {
      left: x + left * scale, top: y + box.top * scale,
      width: box.width * scale, height: box.height * scale,
    } };
  });
  faces.forEach((face) => drawBox(context, face.box, colourOf(face.label)));
  // Bars stand where they cover nobody; a small face, or one in a crowd, has its name alone.
  const taken = faces.map((face) => face.box);
  const large = ({ box }) => faces.length === 1 || box.width >= 0.1 * Math.min(across, down);
  for (const face of [...faces].sort((one, other) => large(one) - large(other))) {
    const panel = panelPlace(face.box, taken, across, down);
    const free = faces.length === 1 || !taken.some((one) => shared(one, panel) > 0);
    if (large(face) && free) drawPanel(context, face, panel, across);
    taken.push(large(face) && free ? panel : drawLabel(context, face, taken, across, down));
  }
  const under = faces.find(({ box }) => pointer
    && shared({ left: pointer.x, top: pointer.y, width: 1, height: 1 }, box) > 0);
  if (under) drawPanel(context, under, panelPlace(under.box, [under.box], across, down), across);
}

// As much of a face's number, label and share as fits its box's width; returns its place.
function drawLabel(context, face, taken, across, down) {
  const { box, track, label, confidence } = face;
  const name = `${track} ${label}`;
  const texts = [`${name} ${Math.round(100 * confidence)} %`, name, label];
  context.font = "650 11px system-ui, sans-serif";
  context.textBaseline = "middle";
  const fits = (one) => context.measureText(one).width + 4 <= Math.max(box.width + 6, 24);
  const text = texts.find(fits) ?? label.slice(0, 3);
  const size = { width: context.measureText(text).width + 4, height: 14 };
  const left = box.left + (box.width - size.width) / 2;
  const bottom = box.top + box.height;
  const at = freest([
    [left, bottom + 2], [left, box.top - 16], [left, bottom - 14], [left, box.top],
  ], size, taken, across, down);
  context.fillStyle = "rgb(10 12 16 / 78%)";
  context.fillRect(at.left, at.top, at.width, at.height);
  context.fillStyle = colourOf(label);
  context.fillText(text, at.left + 2, at.top + 7);
  return at;
}

// The measures of a panel in a stage of that width.
function panelMeasures(across) {
  const small = across < 520;
  const [line, pad, size] = small ? [12, 5, 10] : [17, 8, 13];
  const names = small ? 52 : 68;
  const height = line * (classes.length + 1) + 2 * pad + 3;
  return { line, pad, size, names, width: names + (small ? 46 : 84) + 2 * pad, height };
}

// A face's number, label and bars.
function drawPanel(context, face, { left: x, top: y, width, height }, across) {
  const { line, pad, size, names } = panelMeasures(across);
  context.fillStyle = "rgb(10 12 16 / 78%)";
  context.beginPath();
  context.roundRect(x, y, width, height, 8);
  context.fill();
  context.textBaseline = "middle";
  context.font = `650 ${size + 1}px system-ui, sans-serif`;
  context.fillStyle = colourOf(face.label);
  const title = `${face.track} ${face.label} ${Math.round(100 * face.confidence)} %`;
  context.fillText(title, x + pad, y + pad + line / 2);
  classes.forEach((name, index) => {
    const middle = y + pad + 3 + line * (index + 1.5);
    const best = name === face.label;
    context.font = `${best ? 650 : 400} ${size}px system-ui, sans-serif`;
    context.fillStyle = best ? "#fff" : "#c4cad4";
    context.fillText(name, x + pad, middle);
    const longest = width - names - 2 * pad;
    context.fillStyle = colours[index];
    const share = Math.max(1, longest * face.probabilities[name]);
    context.fillRect(x + pad + names, middle - line * 0.3, share, line * 0.6);
  });
}

// Right of a box, left of it, above or below.
function panelPlace(box, taken, across, down) {
  const { width, height } = panelMeasures(across);
  const gap = 6;
  return freest([
    [box.left + box.width + gap, box.top], [box.left - width - gap, box.top],
    [box.left, box.top - height - gap], [box.left, box.top + box.height + gap],
  ], { width, height }, taken, across, down);
}

// Of several places, inside the stage, the one where least is taken already.
function freest(corners, { width, height }, taken, across, down) {
  const places = corners.map(([left, top]) => ({
    left: Math.max(4, Math.min(left, across - width - 4)),
    top: Math.max(4, Math.min(top, down - height - 4)), width, height,
  }));
  const covered = places.map((one) => taken.reduce((sum, other) => sum + shared(one, other), 0));
  return places[covered.indexOf(Math.min(...covered))];
}

// The area that two boxes have in common.
function shared(one, other) {
  const across = Math.min(one.left + one.width, other.left + other.width) - Math.max(one.left, other.left);
  const down = Math.min(one.top + one.height, other.top + other.height) - Math.max(one.top, other.top);
  return Math.max(0, across) * Math.max(0, down);
}

async function listCameras(stream) {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const cameras = devices.filter((device) => device.kind === "videoinput");
  const current = stream.getVideoTracks()[0].getSettings().deviceId;
  byId("cameras").replaceChildren(...cameras.map((device, index) =>
    new Option(device.label || `Camera ${index + 1}`, device.deviceId, false, device.deviceId === current)));
  byId("which").hidden = cameras.length < 2;
}
