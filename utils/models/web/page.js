// One face in the oval of the browser's own camera, read without any server.

import * as ort from "./ort.wasm.min.mjs";

const SHARE = 0.6; // of the picture's shorter side: the square that the oval stands for
const SMOOTHING = 300; // milliseconds over which answers are averaged
const byId = (id) => document.getElementById(id);
const [video, copy] = [byId("video"), document.createElement("canvas")];
let running = false;

ort.env.wasm.wasmPaths = new URL("./", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more need headers that few static hosts send
const card = await (await fetch("model.onnx.json")).json();
const session = await ort.InferenceSession.create("model.onnx");
const meters = card.classes.map((name) => {
  const row = document.createElement("label");
  const [meter, share] = [document.createElement("meter"), document.createElement("span")];
  row.append(name, meter, share);
  byId("bars").append(row);
  return { meter, share };
});
byId("start").addEventListener("click", () => (running ? stop() : start()));
new ResizeObserver(fitOval).observe(video);

async function start() {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
    await video.play();
    running = true;
    byId("start").textContent = "Stop the camera";
    byId("notice").textContent = "";
    fitOval();
    await watch();
  } catch (error) {
    stop();
    byId("notice").textContent = `The camera cannot be read: ${error.message}`;
  }
}

function stop() {
  running = false;
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  byId("start").textContent = "Start the camera";
}

async function watch() {
  let [mean, before, rate] = [null, performance.now(), 0];
  while (running) {
    const answers = await session.run({ [session.inputNames[0]]: face() });
    const shares = answers[session.outputNames[0]].data;
    const now = performance.now();
    const weight = mean ? 1 - Math.exp((before - now) / SMOOTHING) : 1;
    mean = [...shares].map((share, index) => (mean ? mean[index] + weight * (share - mean[index]) : share));
    rate += 0.1 * (1000 / (now - before) - rate);
    before = now;
    show(mean, rate);
    await new Promise(requestAnimationFrame);
  }
}

// The square around the oval as the network wants it: cut with the margin, grey or RGB, and brought
// to size by the means of equally large areas, as OpenCV's INTER_AREA does.
function face() {
  const { size, colour, margin } = card.preprocessing;
  const { videoWidth: width, videoHeight: height } = video;
  const wanted = SHARE * Math.min(width, height) * (1 + 2 * margin);
  const times = Math.max(1, Math.round(wanted / size));
  copy.width = copy.height = times * size;
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, (width - wanted) / 2, (height - wanted) / 2, wanted, wanted, 0, 0, copy.width, copy.height);
  const { data } = context.getImageData(0, 0, copy.width, copy.height);
  const channels = colour === "grey" ? 1 : 3;
  const sums = new Float32Array(size * size * channels);
  for (let y = 0; y < copy.height; y += 1) {
    for (let x = 0; x < copy.width; x += 1) {
      const at = 4 * (y * copy.width + x);
      const to = channels * (Math.floor(y / times) * size + Math.floor(x / times));
      if (channels === 1) sums[to] += Math.round(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]);
      else for (let c = 0; c < 3; c += 1) sums[to + c] += data[at + c];
    }
  }
  return new ort.Tensor("float32", sums.map((sum) => Math.round(sum / times ** 2)), [1, size, size, channels]);
}

function show(shares, rate) {
  shares.forEach((share, index) => {
    meters[index].meter.value = share;
    meters[index].share.textContent = `${Math.round(100 * share)} %`;
  });
  const best = shares.indexOf(Math.max(...shares));
  byId("figures").textContent = `${card.classes[best]} · ${rate.toFixed(0)} frames a second`;
}

function fitOval() {
  const side = `${SHARE * Math.min(video.clientWidth, video.clientHeight)}px`;
  Object.assign(byId("oval").style, { width: side, height: side });
}
