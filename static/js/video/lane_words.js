/** What is said, each word where it is said; phrases where words have no room, and bars where phrases have none. */
import { filled, words } from "../words.js";
import { colours } from "./colours.js";
import { lastBegun, touching, write } from "./paint.js";
import { isUnsure, phrasesOf, saidAt, sureTold } from "../said/phrases.js";

const SIZE = 13;
/** Pixels from which a phrase shows its text. */
const LEGIBLE = 40;
/** Pixels up to which a box is hardly more than a line. */
const NARROW = 14;
const MARGIN = 4;
/** The share of a phrase's words that have to have room before all of them are drawn singly. */
const MOST = 0.8;
const LINE = 3;

export class WordsLane {
  height = 32;

  /**
   * @param {object[]} all the words
   * @param {string} space what stands between two of them
   * @param {(speaker: string|null) => string} colourOf
   * @param {import("./clock.js").Clock} clock
   */
  constructor(all, space, colourOf, clock) {
    Object.assign(this, { all, space, colourOf, clock, current: -1 });
    this.phrases = phrasesOf(all, clock.fps);
  }

  /** Whether another word is said in a frame than before. */
  point(frame) {
    const before = this.current;
    this.current = saidAt(this.all, frame);
    return before !== this.current;
  }

  draw(context, axis) {
    let drawn = -Infinity;
    for (const phrase of touching(this.phrases, axis.start, axis.end)) {
      const [from, to] = [axis.x(phrase.start), axis.x(phrase.end)];
      if (to < drawn + 0.5) continue; // less than a pixel: another one stands there
      drawn = Math.max(to, from + 1);
      if (this.hasRoom(context, axis, phrase)) this.words(context, axis, phrase);
      else this.phrase(context, axis, phrase, from, drawn);
    }
  }

  hasRoom(context, axis, phrase) {
    if ((phrase.end - phrase.start) / axis.scale < NARROW) return false; // there may be thousands: none is measured
    phrase.needs ??= this.needs(context, phrase);
    return 1 / axis.scale >= phrase.needs;
  }

  /** Pixels per frame from which most words of a phrase can be read. */
  needs(context, phrase) {
    context.font = `400 ${SIZE}px ${colours.font}`;
    const needs = phrase.words.map((word) => {
      return (context.measureText(word.text).width + 2 * MARGIN) / Math.max(this.room(word) - word.start, 0.01);
    });
    needs.sort((one, other) => one - other);
    return needs[Math.ceil(MOST * needs.length) - 1];
  }

  /** The frame up to which a word may be written. */
  room(word) {
    const next = this.all[word.place + 1];
    return next ? Math.max(next.start, word.start) : this.clock.frames;
  }

  words(context, axis, phrase) {
    for (const word of phrase.words) {
      const room = axis.x(this.room(word));
      const from = axis.x(word.start);
      if (room < 0 || from > axis.width) continue;
      const wide = Math.max(Math.min(axis.x(word.end), room) - from - 1, 1);
      const isCurrent = word.place === this.current;
      this.box(context, word.speaker, from, wide, isCurrent, isUnsure(word));
      const style = `${isUnsure(word) ? "italic " : ""}${isCurrent ? 700 : 400}`;
      const left = Math.max(from, 0) + MARGIN;
      write(context, word.text, left, this.height / 2 - 1, room - left, colours.ink, style, SIZE);
    }
  }

  phrase(context, axis, phrase, from, to) {
    const [first, last] = [phrase.words[0].place, phrase.words.at(-1).place];
    const isCurrent = this.current >= first && this.current <= last;
    const wide = Math.max(to - from - (to - from > LEGIBLE ? 1 : 0), 1);
    this.box(context, phrase.speaker, from, wide, isCurrent, phrase.words.every(isUnsure));
    if (to - from < LEGIBLE) return;
    const left = Math.max(from, 0) + MARGIN;
    const room = Math.min(to, axis.width) - left - MARGIN;
    write(context, this.text(phrase), left, this.height / 2 - 1, room, colours.ink, 400, SIZE);
  }

  /** A tinted box; its foot is dashed where what is in it is not sure, and it has a frame where the playhead is. */
  box(context, speaker, x, wide, isCurrent, isDoubtful) {
    const foot = this.height - LINE - 2;
    context.fillStyle = this.colourOf(speaker);
    context.globalAlpha = wide < NARROW ? 0.6 : 0.16;
    context.fillRect(x, 3, wide, foot - 3);
    context.globalAlpha = 1;
    const dash = isDoubtful ? 3 : wide;
    for (let at = 0; at < wide; at += 2 * dash) context.fillRect(x + at, foot, Math.min(dash, wide - at), LINE);
    if (!isCurrent || wide < 4) return;
    context.strokeStyle = colours.accent;
    context.lineWidth = 2;
    context.strokeRect(x + 1, 3, wide - 2, this.height - 5);
  }

  text(phrase) {
    return (phrase.text ??= phrase.words.map((word) => word.text).join(this.space));
  }

  at(frame, axis) {
    const phrase = touching(this.phrases, frame, frame + 1e-6)[0];
    const word = phrase?.words[Math.max(lastBegun(phrase.words, frame), 0)];
    if (!word) return null;
    const isSingle = phrase.needs !== undefined && 1 / axis.scale >= phrase.needs;
    return { text: isSingle ? wordTold(word, this.clock) : this.text(phrase), frame: word.frame };
  }
}

/** A word in words. */
export function wordTold(word, clock) {
  const [from, to] = [word.start, word.end].map((frame) => (frame / clock.fps).toFixed(2));
  const speaker = word.speaker ?? words.speaker_unknown;
  return `${filled(words.word_told, { word: word.text, speaker, from, to })} · ${sureTold(word)}`;
}
