/** The faces of single frames, fetched in windows ahead of the player and kept for a while. */

const WINDOW = 250;
const KEPT = 24;
const AGAIN_MS = 3000;

/** Tells `change` when a window has come, or may be asked for again. */
export class Boxes extends EventTarget {
  /** @param {import("./source.js").Source} source  @param {number} frames how many the video has */
  constructor(source, frames) {
    super();
    this.source = source;
    this.frames = frames;
    this.windows = new Map();
  }

  /** The faces of a frame; undefined while they are not there. Asks for them and, when playing, for those to come. */
  of(frame, playing = false) {
    const index = Math.floor(frame / WINDOW);
    const found = this.window(index);
    if (playing || frame % WINDOW > WINDOW / 2) this.window(index + 1);
    return found?.[frame - index * WINDOW];
  }

  window(index) {
    const start = index * WINDOW;
    if (start >= this.frames) return undefined;
    const known = this.windows.get(index);
    if (known) return known.frames;
    const made = { frames: undefined };
    this.windows.set(index, made);
    if (this.windows.size > KEPT) this.windows.delete(this.windows.keys().next().value);
    this.fetch(index, made);
    return undefined;
  }

  async fetch(index, made) {
    const start = index * WINDOW;
    try {
      const end = Math.min(start + WINDOW, this.frames);
      made.frames = (await this.source.json("frames", { start, end })).frames;
      this.dispatchEvent(new Event("change"));
    } catch {
      setTimeout(() => {
        if (this.windows.get(index) === made) this.windows.delete(index);
        this.dispatchEvent(new Event("change"));
      }, AGAIN_MS);
    }
  }
}
