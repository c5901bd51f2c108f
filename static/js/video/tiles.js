/**
 * Ranges of data at the detail that the screen can show, kept.
 *
 * A tile has `POINTS` points of `2 ** level` frames each. What is not there yet is asked for as soon as the view
 * rests, and meanwhile stands in what a coarser level says of it.
 */

const POINTS = 1024;
const KEPT = 96;
const AT_ONCE = 2;
const REST_MS = 40;
const AGAIN_MS = 5000;

/** Tells `change` when a tile has come, or may be asked for again. */
export class Tiles extends EventTarget {
  /**
   * @param {(start: number, end: number, points: number) => Promise<object>} load frames half-open
   * @param {number} frames how many the video has
   * @param {number} finest the finest level; below 0 a frame has several points
   */
  constructor(load, frames, finest = 0) {
    super();
    this.load = load;
    this.frames = frames;
    this.finest = finest;
    this.coarsest = Math.max(finest, Math.ceil(Math.log2(Math.max(frames, 1) / POINTS)));
    this.tiles = new Map();
    this.loading = new Set();
    this.wanted = [];
    this.refused = new Set();
  }

  /**
   * The parts that cover a range, in order; `data` is null where nothing is known yet.
   * @returns {{start: number, end: number, data: object|null}[]} frames half-open, cut to what the part is good for
   */
  cover(start, end, perPixel) {
    const level = this.level(perPixel);
    const span = POINTS * 2 ** level;
    const parts = [];
    const missing = [];
    const last = Math.min(end, this.frames);
    for (let index = Math.floor(Math.max(start, 0) / span); index * span < last; index += 1) {
      const [found, exact] = this.best(level, index);
      if (!exact) missing.push([level, index]);
      parts.push({ start: index * span, end: Math.min((index + 1) * span, this.frames), data: found });
    }
    this.want(missing.length ? [[this.coarsest, 0], ...missing] : []);
    return parts;
  }

  /** What is known of a frame, without asking for more; null when nothing is. */
  peek(frame, perPixel) {
    const level = this.level(perPixel);
    return this.best(level, Math.floor(frame / (POINTS * 2 ** level)))[0];
  }

  level(perPixel) {
    return Math.min(Math.max(Math.floor(Math.log2(perPixel)), this.finest), this.coarsest);
  }

  best(level, index) {
    for (let up = 0; level + up <= this.coarsest; up += 1) {
      const key = `${level + up}/${index >> up}`;
      const tile = this.tiles.get(key);
      if (!tile) continue;
      this.tiles.delete(key); // to the end of the line of those that are thrown away
      this.tiles.set(key, tile);
      return [tile, up === 0];
    }
    return [null, false];
  }

  want(tiles) {
    this.wanted = tiles;
    if (tiles.length && !this.timer) {
      this.timer = setTimeout(() => {
        this.timer = null;
        this.ask();
      }, REST_MS);
    }
  }

  ask() {
    for (const [level, index] of this.wanted) {
      const key = `${level}/${index}`;
      const isKnown = this.tiles.has(key) || this.loading.has(key) || this.refused.has(key);
      if (!isKnown && this.loading.size < AT_ONCE) this.fetch(key, level, index);
    }
  }

  /** Ask again for what could not be had. */
  forgive(key) {
    this.refused.delete(key);
    this.dispatchEvent(new Event("change"));
  }

  async fetch(key, level, index) {
    const span = POINTS * 2 ** level;
    const [start, end] = [index * span, Math.min((index + 1) * span, this.frames)];
    this.loading.add(key);
    try {
      this.tiles.set(key, await this.load(start, end, Math.ceil((end - start) / 2 ** level)));
      if (this.tiles.size > KEPT) this.tiles.delete(this.tiles.keys().next().value);
      this.dispatchEvent(new Event("change"));
    } catch {
      this.refused.add(key);
      setTimeout(() => this.forgive(key), AGAIN_MS);
    }
    this.loading.delete(key);
    this.ask();
  }
}
