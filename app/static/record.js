// Recording on the camera page: only while the button is held, or a guided round holds it.

import { byId, classes, notice, send } from "./common.js";

const [PAUSE, SHOW] = [2, 3]; // seconds to get ready, and to be recorded, of a guided round
const there = byId("record") !== null; // only where the server was started with --record
let held = null; // the class that is being recorded, or null
let round = null; // the guided round's timer, or null
let counting = null; // asks for the counts while the button is held

// What a frame's address gets, so that the server keeps its face.
export function wish() {
  if (held === null) return "";
  return `?${new URLSearchParams({ record: held, subject: byId("subject").value })}`;
}

export function letGo() {
  if (!there) return;
  clearInterval(round);
  round = null;
  byId("round").hidden = true;
  if (held !== null) {
    held = null;
    byId("hold").setAttribute("aria-pressed", "false");
    clearInterval(counting);
    setTimeout(tell, 500); // the last frame may be on its way
  }
}

function hold(name) {
  held = name;
  byId("hold").setAttribute("aria-pressed", "true");
  clearInterval(counting);
  if (round === null) counting = setInterval(tell, 1000);
}

function named() {
  if (byId("subject").value.trim() && byId("expression").value.trim()) return true;
  notice("Say who is shown, and choose a class or type a new one.");
  return false;
}

async function tell() {
  const name = byId("subject").value.trim();
  if (!name) return;
  try {
    const answer = await send(`api/v1/recordings/${encodeURIComponent(name)}`);
    const { counts } = await answer.json();
    const kept = Object.entries(counts).map(([label, count]) => `${label} ${count}`).join(", ");
    byId("kept").textContent = `${name}: ${kept || "nothing yet"}`;
  } catch (error) {
    notice(error.message);
  }
}

async function undo() {
  letGo();
  if (!byId("subject").value.trim()) return notice("Say whose last take is to be removed.");
  try {
    await send(`api/v1/recordings/${encodeURIComponent(byId("subject").value.trim())}`, { method: "DELETE" });
    await tell();
  } catch (error) {
    notice(error.message);
  }
}

function guide() {
  letGo();
  if (!byId("subject").value.trim()) return notice("Say who is shown.");
  const order = [...classes].sort((one, other) => (other === "neutral") - (one === "neutral"));
  const [bar, start] = [byId("round"), performance.now()];
  let last = -1;
  bar.hidden = false;
  round = setInterval(() => {
    const seconds = (performance.now() - start) / 1000;
    const step = Math.floor(seconds / (PAUSE + SHOW));
    bar.value = seconds / ((PAUSE + SHOW) * order.length);
    if (step >= order.length) {
      letGo();
      byId("kept").textContent = "Thank you.";
    } else if (step !== last) {
      last = step;
      held = null;
      bell();
      byId("kept").textContent = `Now look ${order[step]} for ${SHOW} seconds …`;
    } else if (held === null && seconds % (PAUSE + SHOW) >= PAUSE) {
      hold(order[step]);
    }
  }, 100);
}

function bell() {
  const sound = new AudioContext();
  const tone = new OscillatorNode(sound, { frequency: 880 });
  const volume = new GainNode(sound, { gain: 0.1 });
  tone.connect(volume).connect(sound.destination);
  tone.start();
  tone.stop(sound.currentTime + 0.15);
  tone.addEventListener("ended", () => sound.close());
}

if (there) {
  const button = byId("hold");
  button.addEventListener("pointerdown", () => {
    letGo();
    if (named()) hold(byId("expression").value.trim());
  });
  button.addEventListener("keydown", (event) => {
    if ([" ", "Enter"].includes(event.key) && !event.repeat && named()) hold(byId("expression").value.trim());
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave", "keyup", "blur"]) {
    button.addEventListener(end, () => round === null && letGo());
  }
  document.addEventListener("visibilitychange", () => document.hidden && letGo());
  byId("guide").addEventListener("click", guide);
  byId("undo").addEventListener("click", undo);
  byId("subject").addEventListener("change", tell);
}
