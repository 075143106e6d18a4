// What the pages share: classes and colours, requests, the camera, bars.

export const classes = JSON.parse(document.body.dataset.classes);
export const colours = JSON.parse(document.body.dataset.colours);
export const byId = (id) => document.getElementById(id);
export const colourOf = (label) => colours[classes.indexOf(label)] ?? "#ffffff";

// A request whose refusal (RFC 9457) becomes an Error with the server's sentence.
export async function send(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Object.assign(
      new Error("The server does not answer. Is it still running?"), { status: 0 });
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    const detail = problem.detail ?? `The server refused (${answer.status}).`;
    const wait = Number(answer.headers.get("Retry-After")) || 1;
    throw Object.assign(new Error(detail), { status: answer.status, wait });
  }
  return answer;
}

// Say what went wrong, or nothing.
export function notice(text = "") {
  const place = byId("notice");
  place.textContent = text;
  place.hidden = !text;
}

// The browser's camera in a video element, until the signal (an AbortSignal) closes it, also
// while the browser still asks the person; failing, an Error that says what to do.
export async function openCamera(video, signal, deviceId) {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    throw new Error(
      "Browsers give the camera only to pages from https or from this computer itself. Open this " +
      "page as http://localhost (through an SSH tunnel if the server is elsewhere: " +
      `ssh -L ${location.port || 80}:127.0.0.1:${location.port || 80} SERVER), or send a picture.`);
  }
  const size = { width: { ideal: 1280 }, height: { ideal: 720 } };
  const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { ...size, ...which } });
  } catch (error) {
    throw new Error(cameraAdvice(error));
  }
  const close = () => {
    stream.getTracks().forEach((track) => track.stop());
    if (video.srcObject === stream) video.srcObject = null; // else it shows a later one
  };
  if (signal.aborted) close();
  signal.throwIfAborted();
  signal.addEventListener("abort", close);
  video.srcObject = stream;
  await video.play();
  return stream;
}

function cameraAdvice(error) {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return "The browser did not allow the camera. Allow it with the camera sign in the address " +
        "bar, then start again. In a notebook’s frame, open this page in a tab of its own.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "No camera was found. Plug one in, or use the pages for pictures and videos.";
    case "NotReadableError":
    case "AbortError":
      return "The camera is there but gives no picture: most often another program uses it. " +
        "Close that program and start again.";
    default:
      return `The camera cannot be opened (${error.name}).`;
  }
}

// Probabilities (by class) as whole per cents that sum to 100: the largest remainders get the rest.
export function percentages(probabilities) {
  const exact = classes.map((name) => 100 * probabilities[name]);
  const whole = exact.map(Math.floor);
  const order = exact.map((value, index) => [value - whole[index], index]).sort((a, b) => b[0] - a[0]);
  let missing = 100 - whole.reduce((sum, value) => sum + value, 0);
  for (const [, index] of order) {
    if (missing-- <= 0) break;
    whole[index] += 1;
  }
  return whole;
}

// The bars of one face, as a list.
export function barList(probabilities, label) {
  const list = document.createElement("ul");
  list.className = "bars";
  const shares = percentages(probabilities);
  classes.forEach((name, index) => {
    const item = document.createElement("li");
    item.classList.toggle("best", name === label);
    const text = document.createElement("span");
    text.textContent = name;
    const track = document.createElement("span");
    track.className = "track";
    const bar = document.createElement("span");
    bar.style.width = `${100 * probabilities[name]}%`;
    bar.style.background = colours[index];
    track.append(bar);
    const share = document.createElement("span");
    share.className = "share";
    share.textContent = `${shares[index]} %`;
    item.append(text, track, share);
    list.append(item);
  });
  return list;
}

// A canvas's bitmap as fine as the screen; returns a context in CSS pixels, cleared.
export function fitCanvas(canvas, width, height) {
  const density = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== across || canvas.height !== down) {
    canvas.width = across;
    canvas.height = down;
  }
  const context = canvas.getContext("2d");
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// A face's box, dark-edged so that it shows on any ground.
export function drawBox(context, { left, top, width, height }, colour) {
  for (const [ink, thickness] of [["#000", 5], [colour, 2.5]]) {
    context.strokeStyle = ink;
    context.lineWidth = thickness;
    context.strokeRect(left, top, width, height);
  }
}

// Files that are dropped on the page, pasted, or chosen.
export function receiveFiles(take) {
  const [drop, file] = [byId("drop"), byId("file")];
  byId("choose").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    if (file.files.length) take(file.files[0]);
    file.value = ""; // the same file may be chosen again
  });
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault(); // or the browser would leave the page for the file
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) take(event.clipboardData.files[0]);
  });
}
