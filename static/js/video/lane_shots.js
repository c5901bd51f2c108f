/** Shots as alternating blocks, a picture of the first and the last frame where there is room, and how each begins. */
import { filled, words } from "../words.js";
import { colours } from "./colours.js";
import { lastBegun, touching, write } from "./paint.js";

/** Pixels from which a block is drawn by itself; below, blocks are only alternating shades. */
const SEEN = 3;
/** Frames per pixel from which transitions are too small to be told apart. */
const FAR = 16;

export class ShotsLane {
  /**
   * @param {object[]} shots sorted, half-open
   * @param {{of: (frame: number) => ImageBitmap|null, width: number, height: number}|null} thumbs
   */
  constructor(shots, thumbs) {
    this.shots = shots;
    this.thumbs = thumbs;
    this.height = thumbs ? 74 : 30;
  }

  draw(context, axis) {
    const first = Math.max(lastBegun(this.shots, axis.start), 0);
    let drawn = -Infinity;
    for (let index = first; index < this.shots.length && this.shots[index].start < axis.end; index += 1) {
      const shot = this.shots[index];
      const [from, to] = [axis.x(shot.start), axis.x(shot.end)];
      if (to < drawn + 1) continue; // less than a pixel: another one stands there
      drawn = to;
      this.block(context, axis, shot, index, from, to - from);
    }
    for (const shot of touching(this.shots, axis.start - axis.span, axis.end)) this.transition(context, axis, shot);
  }

  block(context, axis, shot, index, x, wide) {
    context.fillStyle = index % 2 ? colours["ink-soft"] : colours.idle;
    context.globalAlpha = index % 2 ? 0.34 : 0.16;
    context.fillRect(x, 18, Math.max(wide - (wide > SEEN ? 1 : 0), 1), this.height - 18);
    context.globalAlpha = 1;
    const left = Math.max(x, 0);
    write(context, `${index + 1}`, left + 5, 10, Math.min(x + wide, axis.width) - left - 8, colours.ink, 600);
    if (this.thumbs) this.pictures(context, shot, x, wide);
  }

  pictures(context, shot, x, wide) {
    const { width, height } = this.thumbs;
    if (wide < width * 0.6) return;
    context.save();
    context.beginPath();
    context.rect(x, 18, wide - 1, height);
    context.clip();
    this.picture(context, shot.start, x + 1);
    if (wide > 2 * width + 4) this.picture(context, shot.end - 1, x + wide - width - 2);
    context.restore();
  }

  picture(context, frame, x) {
    const picture = this.thumbs.of(frame);
    if (picture) context.drawImage(picture, x, 18, this.thumbs.width, this.thumbs.height);
  }

  /** A hard cut is a line, a gradual transition a wedge over its extent. */
  transition(context, axis, shot) {
    if (!shot.kind || axis.scale > FAR) return;
    const x = axis.x(shot.start);
    if (shot.kind === "hard") {
      context.fillStyle = colours.ink;
      context.fillRect(x - 0.75, 0, 1.5, this.height);
      return;
    }
    const [from, to] = [axis.x(shot.first), axis.x(shot.last + 1)];
    context.fillStyle = colours.accent;
    context.globalAlpha = 0.4;
    context.beginPath();
    context.moveTo(from, this.height);
    context.lineTo(to, 18);
    context.lineTo(Math.max(to, from + 2), this.height);
    context.fill();
    context.globalAlpha = 1;
    context.fillRect(from, this.height - 3, Math.max(to - from, 2), 3);
  }

  at(frame) {
    const index = lastBegun(this.shots, frame);
    const shot = this.shots[index];
    if (!shot || frame >= shot.end) return null;
    const text = filled(words.shot_told, { shot: index + 1, first: shot.start + 1, last: shot.end });
    return { text: `${text} · ${begun(shot)}`, frame: shot.start };
  }
}

/** How a shot begins, in words. */
export function begun(shot) {
  if (!shot.kind) return shot.start === 0 ? words.first_shot : words.cut_unknown;
  const score = shot.score === null || shot.score === undefined ? "" : ` ${shot.score.toFixed(2)}`;
  if (shot.kind === "hard") return words.cut_hard + score;
  return filled(words.cut_gradual, { first: shot.first + 1, last: shot.last + 1 }) + score;
}
