/** The ruler: time above, frame numbers where there is room for them. */
import { colours } from "./colours.js";
import { write } from "./paint.js";

const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const ROOM = 96;

export class RulerLane {
  height = 26;
  scrubs = true;

  /** @param {import("./clock.js").Clock} clock */
  constructor(clock) {
    this.clock = clock;
  }

  draw(context, axis) {
    const step = this.step(axis);
    const isFine = step < this.clock.fps;
    for (let tick = Math.floor(axis.start / step); tick * step < axis.end; tick += 1) {
      const frame = Math.round(tick * step);
      const x = axis.x(frame);
      context.fillStyle = colours["ink-soft"];
      context.fillRect(x, 16, 1, 10);
      const text = isFine ? this.clock.timecode(frame) : this.clock.time(Math.round(frame / this.clock.fps));
      write(context, text, x + 4, 11, ROOM, colours["ink-soft"]);
    }
  }

  step(axis) {
    const least = ROOM * axis.scale;
    const frames = [1, 5, 10].find((n) => n >= least && n < this.clock.fps);
    const seconds = SECONDS.find((n) => n * this.clock.fps >= least) ?? SECONDS.at(-1);
    return frames ?? seconds * this.clock.fps;
  }

  at(frame) {
    return { text: `${this.clock.timecode(Math.floor(frame))} · ${Math.floor(frame) + 1}`, frame };
  }
}
