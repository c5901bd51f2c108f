/** One transcription: words as they come, lit up while they are heard; its sound, its state. */
import { copied } from "../log_copy.js";
import { throttled } from "../parts.js";
import { inFrames, paragraphsOf } from "../said/phrases.js";
import { Transcript } from "../said/transcript.js";
import { duration } from "../shown.js";
import { filled, words } from "../words.js";

/** Frames a second: words are placed to a hundredth. */
const FPS = 100;
const AGAIN_MS = 1000;
const SOON_MS = 700;
const byId = (id) => document.getElementById(id);
const { key } = byId("one").dataset;
const address = `/api/transcriptions/${key}`;
const [sound, soundSaid, state, textSaid, copy] = ["sound", "sound-said", "state", "text-said", "copy"].map(byId);

const clock = {
  fps: FPS,
  timecode: (frame) => duration(Math.floor(frame / FPS)),
  address: (frame) => `#t=${(frame / FPS).toFixed(2)}`,
};
const transcript = new Transcript(byId("text"), clock, (frame) => go(frame / FPS));

const refresh = throttled(() => htmx.trigger(state, "refresh"), () => SOON_MS);

/** Say something in a place, or nothing. */
function say(place, text) {
  place.hidden = !text;
  if (place.textContent !== text) place.textContent = text;
}

/* The words */
let found = [];
let [source, next] = ["", 0];
let asking = null;

async function read() {
  const query = new URLSearchParams({ source, after: next });
  const answer = await fetch(`${address}/words?${query}`);
  if (!answer.ok) return;
  const told = await answer.json();
  const isAnew = told.source !== source;
  if (!isAnew && !told.words.length) return;
  found = isAnew ? told.words : [...found, ...told.words];
  [source, next] = [told.source, told.next];
  const all = inFrames(found.map((word) => ({ ...word, speaker: null })), FPS);
  if (isAnew) transcript.set(all, told.language, () => "var(--line)");
  else transcript.grow(all);
  copy.disabled = !all.length;
}

/** Read what has come; one question at a time, and once more where something came meanwhile. */
async function look() {
  if (asking) {
    asking = "again";
    return;
  }
  do {
    asking = "now";
    await read().catch(() => undefined); // the connection is told by the bar
  } while (asking === "again");
  asking = null;
  tellText();
}

function tellText() {
  const isOver = !state.querySelector(".badge:is([data-state=queued], [data-state=running])");
  const isGood = Boolean(state.querySelector(".badge[data-state=succeeded]"));
  const isEmpty = !found.length;
  byId("text").hidden = isEmpty;
  say(textSaid, !isEmpty || (isOver && !isGood) ? "" : isOver ? words.nothing : words.no_words);
}

document.addEventListener("workflow:event", ({ detail }) => {
  if (detail.kind !== "transcription") return;
  const isOurs = detail.data.key === key;
  if (isOurs || state.querySelector(".badge[data-state=queued]")) refresh(); // others before it count too
  if (isOurs && !detail.data.removed) look();
});
document.addEventListener("htmx:afterSwap", ({ target }) => target === state && tellText());
copy.addEventListener("click", () => copied(copy, textOf()));

function textOf() {
  const space = transcript.space ?? " ";
  return paragraphsOf(transcript.all, FPS).map((one) => one.words.map((word) => word.text).join(space)).join("\n\n");
}

/* The sound */
function go(seconds) {
  sound.currentTime = seconds;
  mark();
}

function mark() {
  transcript.mark(Math.floor(sound.currentTime * FPS));
}

function follow() {
  mark();
  if (!sound.paused) requestAnimationFrame(follow);
}

async function ready() {
  const answer = await fetch(`${address}/sound`).catch(() => null);
  const told = await answer?.json();
  if (!answer || (answer.ok && !told.ready)) {
    say(soundSaid, filled(words.making, { share: `${Math.round(100 * (told?.share ?? 0))} %` }));
    setTimeout(ready, AGAIN_MS);
    return;
  }
  say(soundSaid, answer.ok ? "" : [told.error.message, told.error.hint].filter(Boolean).join(" "));
  if (!answer.ok) return;
  sound.src = told.url;
  sound.hidden = false;
}

sound.addEventListener("play", follow);
sound.addEventListener("seeked", mark);
sound.addEventListener("loadedmetadata", fromAddress);
addEventListener("hashchange", fromAddress);

/** Go where the address says: a word or a time was clicked, or a link was followed. */
function fromAddress() {
  const asked = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
  if (asked) go(Number(asked[1]));
}

/* A click on the word where the address leads already goes there again. */
byId("text").addEventListener("click", ({ target }) => {
  if (target.closest("a")?.hash === location.hash) fromAddress();
});

addEventListener("keydown", (event) => {
  const isFree = !event.target.closest("input, select, textarea, button, summary, audio");
  if (event.key !== " " || !isFree || event.ctrlKey || event.metaKey || event.altKey || sound.hidden) return;
  event.preventDefault();
  if (sound.paused) sound.play();
  else sound.pause();
});

look();
ready();
