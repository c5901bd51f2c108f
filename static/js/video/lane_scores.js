/** How probable it is that a shot ends: two curves of the network, the larger of what falls on a pixel. */
import { filled, words } from "../words.js";
import { colours } from "./colours.js";
import { unknown } from "./paint.js";

const TOP = 4;

export class ScoresLane {
  height = 54;

  /** @param {import("./tiles.js").Tiles} tiles  @param {number|null} threshold where a cut is decided */
  constructor(tiles, threshold) {
    this.tiles = tiles;
    this.threshold = threshold;
  }

  draw(context, axis) {
    const parts = this.tiles.cover(axis.start, axis.end, axis.scale / (devicePixelRatio || 1));
    for (const part of parts) {
      const [from, to] = [axis.x(part.start), axis.x(part.end)];
      if (!part.data) {
        unknown(context, from, to - from, 0, this.height);
        continue;
      }
      context.save();
      context.beginPath();
      context.rect(from, 0, to - from, this.height);
      context.clip();
      this.curve(context, axis, part.data, part.data.many, colours["ink-soft"], 0.35);
      this.curve(context, axis, part.data, part.data.single, colours.accent, 1);
      context.restore();
    }
    if (this.threshold !== null) this.line(context, axis);
  }

  y(score) {
    return this.height - 1 - score * (this.height - TOP - 1);
  }

  curve(context, axis, data, values, colour, alpha) {
    const first = Math.max(Math.floor((axis.start - data.start) / data.step), 0);
    const last = Math.min(Math.ceil((axis.end - data.start) / data.step), values.length);
    const wide = Math.max(data.step / axis.scale, 1);
    context.fillStyle = colour;
    context.globalAlpha = alpha;
    for (let index = first; index < last; index += 1) {
      const score = values[index];
      if (score < 0.01) continue;
      const y = this.y(score);
      context.fillRect(axis.x(data.start + index * data.step), y, wide, this.height - y);
    }
    context.globalAlpha = 1;
  }

  line(context, axis) {
    const y = Math.round(this.y(this.threshold)) + 0.5;
    context.strokeStyle = colours.bad;
    context.lineWidth = 1;
    context.setLineDash([5, 4]);
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(axis.width, y);
    context.stroke();
    context.setLineDash([]);
  }

  at(frame, axis) {
    const number = Math.floor(frame);
    const known = this.tiles.peek(number, axis.scale / (devicePixelRatio || 1));
    if (!known) return { text: words.not_loaded, frame: number };
    const { start, step, single, many } = known;
    const index = Math.floor((number - start) / step);
    const [first, last] = [start + index * step + 1, start + (index + 1) * step];
    const values = { single: said(single[index]), many: said(many[index]), frames: step > 1 ? `${first}–${last}` : first };
    return { text: filled(words.scores_told, values), frame: number };
  }
}

const said = (score) => (score === undefined ? "–" : score.toFixed(3));
