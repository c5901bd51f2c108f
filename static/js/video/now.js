/** What is in the frame that is shown, in words: the shot, who speaks, and whose faces are to be seen. */
import { filled, words } from "../words.js";
import { begun } from "./lane_shots.js";
import { lastBegun, touching } from "./paint.js";
import { between, isUnsure, sureTold } from "../said/phrases.js";

/** Milliseconds between two changes while it plays: nobody reads faster. */
const CALM_MS = 200;

export class Now {
  /** @param {HTMLElement} root holds `[data-now=shot|speech|words|faces]`  @param {import("./tracks.js").Tracks} tracks */
  constructor(root, tracks) {
    this.tracks = tracks;
    this.places = Object.fromEntries([...root.querySelectorAll("[data-now]")].map((one) => [one.dataset.now, one]));
  }

  /** @param {object[]|undefined} boxes undefined: not known yet */
  show(frame, boxes, playing) {
    const now = performance.now();
    if (playing && now - (this.last ?? -CALM_MS) < CALM_MS) return;
    this.last = now;
    put(this.places.shot, this.shot(frame));
    put(this.places.speech, this.speech(frame));
    put(this.places.words, this.words(frame));
    put(this.places.faces, this.faces(boxes));
  }

  shot(frame) {
    const { shots, known, view } = this.tracks;
    if (!known.has("shots")) return view?.available.shots ? words.not_loaded : "–";
    const index = lastBegun(shots, frame);
    if (index < 0) return "–";
    const { start, end } = shots[index];
    const text = filled(words.shot_of, { shot: index + 1, all: shots.length, first: start + 1, last: end });
    return `${text} · ${begun(shots[index])}`;
  }

  speech(frame) {
    const { turns, speech, known, view } = this.tracks;
    if (!known.has("speakers")) return view?.available.turns ? words.not_loaded : "–";
    const middle = frame + 0.5;
    const labels = new Set(touching(turns, middle, middle + 1e-6).map((turn) => turn.speaker));
    if (labels.size) return [...labels].join(", ");
    return touching(speech, middle, middle + 1e-6).length ? words.speech : words.no_speech;
  }

  /** The words that are said in a frame; the place of them is there only in a video that has some. */
  words(frame) {
    const { words: all, known, language } = this.tracks;
    const isThere = known.has("words") && all.length > 0;
    for (const one of [this.places.words, this.places.words.previousElementSibling]) one.hidden = !isThere;
    const said = touching(all, frame + 1e-6, frame + 1 - 1e-6);
    const told = (word) => (isUnsure(word) ? `${word.text} (${sureTold(word)})` : word.text);
    return said.map(told).join(between(language)) || words.no_word;
  }

  faces(boxes) {
    if (!this.tracks.view?.available.faces) return "–";
    if (boxes === undefined) return words.not_loaded;
    if (!boxes.length) return words.no_face_here;
    return boxes.map((box) => this.face(box)).join(", ");
  }

  face(box) {
    const parts = [box.id, box.speaking ? words.speaks : words.silent, ...box.speaker];
    return parts.join(" · ");
  }
}

function put(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
