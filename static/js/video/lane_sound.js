/** The wave of the sound, from the smallest to the largest value on each pixel; behind it where speech is. */
import { words } from "../words.js";
import { colours } from "./colours.js";
import { touching, unknown } from "./paint.js";

const LOUDEST = 127;

export class SoundLane {
  height = 54;

  /**
   * @param {import("./tiles.js").Tiles} tiles peaks as `[least, most]` in -128..127
   * @param {object[]} speech ranges of frames
   * @param {import("./clock.js").Clock} clock
   */
  constructor(tiles, speech, clock) {
    this.tiles = tiles;
    this.speech = speech;
    this.clock = clock;
  }

  draw(context, axis) {
    context.fillStyle = colours.good;
    for (const range of touching(this.speech, axis.start, axis.end)) {
      const [from, to] = [axis.x(range.start), axis.x(range.end)];
      context.globalAlpha = 0.16;
      context.fillRect(from, 0, Math.max(to - from, 1), this.height);
      context.globalAlpha = 1;
      context.fillRect(from, this.height - 3, Math.max(to - from, 1), 3);
    }
    for (const part of this.tiles.cover(axis.start, axis.end, axis.scale / (devicePixelRatio || 1))) {
      const [from, to] = [axis.x(part.start), axis.x(part.end)];
      if (part.data) this.wave(context, axis, part, Math.max(from, 0), Math.min(to, axis.width));
      else unknown(context, from, to - from, 0, this.height);
    }
  }

  wave(context, axis, part, from, to) {
    const { peaks } = part.data;
    const [start, end] = [part.data.start * this.clock.fps, part.data.end * this.clock.fps];
    const perPoint = (end - start) / peaks.length;
    const middle = (this.height - 4) / 2;
    const first = Math.max(Math.floor((axis.frame(from) - start) / perPoint), 0);
    const last = Math.min(Math.ceil((axis.frame(to) - start) / perPoint), peaks.length);
    const wide = Math.max(perPoint / axis.scale, 1);
    context.fillStyle = colours.idle;
    for (let index = first; index < last; index += 1) {
      const [least, most] = peaks[index];
      const [top, bottom] = [middle - (most / LOUDEST) * middle, middle - (least / LOUDEST) * middle];
      context.fillRect(axis.x(start + index * perPoint), top, wide, Math.max(bottom - top, 1));
    }
  }

  at(frame) {
    const isSpeech = touching(this.speech, frame, frame + 1e-6).length > 0;
    const number = Math.floor(frame);
    return { text: `${this.clock.timecode(number)} · ${isSpeech ? words.speech : words.no_speech}`, frame: number };
  }
}
