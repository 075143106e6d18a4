// The picture page: one picture to the server, its faces with bars, and why on demand.

import {
  barList, byId, colourOf, drawBox, fitCanvas, notice, openCamera, receiveFiles, send,
} from "./common.js";

const [picture, video] = [byId("picture"), byId("video")];
let newest = 0; // number of the picture that was asked about last
let reading = null;
let shooting = new AbortController(); // closes the camera

receiveFiles(read);
new ResizeObserver(drawBoxes).observe(picture);

byId("take").addEventListener("click", async () => {
  endShooting();
  notice();
  const own = (shooting = new AbortController());
  byId("shooting").hidden = false;
  try {
    await openCamera(video, own.signal);
    byId("shoot").focus();
  } catch (error) {
    if (own.signal.aborted) return;
    endShooting();
    notice(error.message);
  }
});
byId("cancel").addEventListener("click", endShooting);
byId("shoot").addEventListener("click", () => {
  if (!video.videoWidth) return;
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [video.videoWidth, video.videoHeight];
  copy.getContext("2d").drawImage(video, 0, 0);
  copy.toBlob((blob) => read(blob), "image/jpeg", 0.92);
  endShooting();
});
window.addEventListener("pagehide", endShooting);

function endShooting() {
  shooting.abort();
  hide("shooting", "take");
}

// Hide a section. Focus that would be lost with it goes to a control.
function hide(section, control) {
  const lost = byId(section).contains(document.activeElement);
  byId(section).hidden = true;
  if (lost) byId(control).focus();
}

async function read(blob) {
  const own = ++newest;
  notice();
  hide("result", "choose");
  byId("summary").textContent = "Reading the picture …";
  try {
    const answer = await send("api/v1/faces", { method: "POST", body: blob });
    const found = await answer.json();
    if (own !== newest) return; // a later picture may be shown already
    const address = URL.createObjectURL(blob);
    picture.src = address;
    await picture.decode().catch(() => {}); // a kind that this browser does not show, such as TIFF
    URL.revokeObjectURL(address);
    if (own !== newest) return;
    show(found, blob);
  } catch (error) {
    if (own !== newest) return;
    byId("summary").textContent = "";
    notice(error.message);
  }
}

function show(found, blob) {
  reading = found;
  const { faces } = found;
  const count = faces.length === 1 ? "1 face" : `${faces.length} faces`;
  let text = faces.length
    ? `${count}: ${faces.map((face) => face.label).join(", ")}.`
    : "No face was found. It may be turned away, covered, tilted or very small.";
  const visible = picture.naturalWidth > 0;
  if (!visible) text += " This browser does not show pictures of this kind.";
  if (found.left_out) text += ` ${found.left_out} smaller ones were left out.`;
  byId("summary").textContent = text;
  byId("faces").replaceChildren(...faces.map((face, index) => card(face, index + 1, blob)));
  byId("drop").classList.add("done");
  byId("shown").hidden = !visible;
  byId("result").hidden = false;
  drawBoxes();
}

function drawBoxes() {
  if (!reading || !picture.clientWidth) return;
  const [across, down] = [picture.clientWidth, picture.clientHeight];
  const context = fitCanvas(byId("overlay"), across, down);
  const scale = across / reading.width;
  reading.faces.forEach(({ box, label }, index) => {
    const [left, top] = [box.left * scale, box.top * scale];
    const colour = colourOf(label);
    drawBox(context, { left, top, width: box.width * scale, height: box.height * scale }, colour);
    // A small face keeps its number above it, or it would be hidden.
    const small = box.width * scale < 60;
    const [size, high] = small ? [11, 14] : [14, 22];
    context.font = `650 ${size}px system-ui, sans-serif`;
    const text = String(index + 1);
    const width = context.measureText(text).width + (small ? 6 : 12);
    const above = small && top > high + 2 ? top - high : top;
    context.fillStyle = "#000";
    context.fillRect(left - 2, above - 2, width, high);
    context.fillStyle = colour;
    context.fillText(text, left + (small ? 1 : 4), above + (small ? 9 : 14));
  });
}

function card(face, number, blob) {
  const element = document.createElement("article");
  element.className = "card face";
  const top = document.createElement("div");
  top.className = "top";
  const crop = document.createElement("canvas");
  drawCrop(crop, face.box, 168);
  crop.hidden = !picture.naturalWidth;
  const title = document.createElement("h2");
  title.textContent = `${number} · ${face.label}`;
  const why = document.createElement("button");
  why.className = "small";
  why.type = "button";
  why.textContent = "Why?";
  why.setAttribute("aria-label", `Why ${face.label}, face ${number}`);
  top.append(crop, title, why);
  element.append(top, barList(face.probabilities, face.label));
  why.addEventListener("click", async () => {
    if (why.hasAttribute("aria-disabled")) return;
    why.setAttribute("aria-disabled", "true"); // `disabled` would take the focus away
    try {
      element.append(await heatmap(face, blob));
    } catch (error) {
      notice(error.message);
      why.removeAttribute("aria-disabled");
    }
  });
  return element;
}

function drawCrop(canvas, { left, top, width, height }, side) {
  [canvas.width, canvas.height] = [side, side];
  if (picture.naturalWidth) {
    // The browser may show an enormous picture from a smaller copy; the boxes are of the full one.
    const scale = picture.naturalWidth / reading.width;
    const context = canvas.getContext("2d");
    context.drawImage(
      picture, left * scale, top * scale, width * scale, height * scale, 0, 0, side, side);
  }
}

async function heatmap(face, blob) {
  const answer = await send(`api/v1/explanation?${new URLSearchParams(face.box)}`, {
    method: "POST", body: blob,
  });
  const { label, values, margin } = await answer.json();
  const { left, top, width, height } = face.box;
  const canvas = document.createElement("canvas");
  const wide = {
    left: left - margin * width, top: top - margin * height,
    width: (1 + 2 * margin) * width, height: (1 + 2 * margin) * height,
  };
  drawCrop(canvas, wide, 336);
  paintOver(canvas, values);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `The face, tinted where it spoke for ${label} or against it`);
  const text = document.createElement("p");
  text.textContent = `Orange: parts that spoke for “${label}”. Blue: parts that spoke against it. ` +
    "Where a part is blurred, the network’s answer changes: that tells what it used, not whether it is right.";
  const holder = document.createElement("div");
  holder.className = "wide";
  holder.append(canvas, text);
  return holder;
}

// Values −1…1 as orange (for) and blue (against) over a grey copy; told apart by everyone.
function paintOver(canvas, values) {
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = "saturation";
  context.fillStyle = "#888";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const strongest = Math.max(0.02, ...values.flat().map(Math.abs));
  const small = document.createElement("canvas");
  small.width = small.height = values.length;
  const tint = new ImageData(values.length, values.length);
  values.flat().forEach((value, index) => {
    const colour = value > 0 ? [255, 140, 0] : [30, 120, 255];
    tint.data.set([...colour, Math.round((215 * Math.abs(value)) / strongest)], 4 * index);
  });
  small.getContext("2d").putImageData(tint, 0, 0);
  context.globalCompositeOperation = "source-over";
  context.filter = `blur(${canvas.width / 40}px)`; // no finer than the squares that covered
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}
