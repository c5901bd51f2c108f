/** A row per speaker, with the turns in the speaker's colour. */
import { filled, words } from "../words.js";
import { colours, nth } from "./colours.js";
import { touching, write } from "./paint.js";

export const ROW = 24;

export class SpeakersLane {
  /** @param {object[]} turns sorted, in frames  @param {string[]} speakers in the order of their rows */
  constructor(turns, speakers, clock) {
    this.clock = clock;
    this.rows = speakers.map((label) => turns.filter((turn) => turn.speaker === label));
    this.names = speakers;
    this.height = Math.max(speakers.length, 1) * ROW;
  }

  /** The colour of a row's name. */
  colour(index) {
    return nth(colours.speakers, index);
  }

  draw(context, axis) {
    this.rows.forEach((turns, row) => {
      const y = row * ROW;
      context.fillStyle = colours.line;
      context.fillRect(0, y + ROW - 1, axis.width, 1);
      let drawn = -Infinity;
      for (const turn of touching(turns, axis.start, axis.end)) {
        const [from, to] = [axis.x(turn.start), axis.x(turn.end)];
        if (to < drawn + 0.5) continue;
        drawn = Math.max(to, from + 1);
        context.fillStyle = this.colour(row);
        context.fillRect(from, y + 3, drawn - from, ROW - 7);
        const left = Math.max(from, 0);
        write(context, turn.speaker, left + 5, y + ROW / 2, drawn - left - 8, colours.surface, 600);
      }
    });
  }

  at(frame, axis, y) {
    const turn = touching(this.rows[Math.floor(y / ROW)] ?? [], frame, frame + 1e-6)[0];
    return turn ? { text: turnTold(turn, this.clock), frame: Math.floor(turn.start + 1e-6) } : null;
  }
}

/** A turn in words. */
export function turnTold(turn, clock) {
  const score = turn.score === null || turn.score === undefined ? "–" : turn.score.toFixed(2);
  const [from, to] = [turn.start, turn.end].map((frame) => (frame / clock.fps).toFixed(2));
  return filled(words.turn_told, { speaker: turn.speaker, from, to, score });
}
