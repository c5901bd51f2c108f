/** The one time axis that all lanes share: which frames are seen, and where on the screen. */

/** The fewest frames that fill the width. */
const CLOSEST = 12;

/** Tells `change` whenever another range is seen. Frames may be fractions; the range is half-open. */
export class Axis extends EventTarget {
  /** @param {number} frames how many the video has */
  constructor(frames) {
    super();
    this.frames = Math.max(frames, 1);
    this.width = 1;
    this.start = 0;
    this.end = this.frames;
  }

  get span() {
    return this.end - this.start;
  }

  /** Frames per pixel of the page. */
  get scale() {
    return this.span / this.width;
  }

  x(frame) {
    return ((frame - this.start) / this.span) * this.width;
  }

  frame(x) {
    return this.start + (x / this.width) * this.span;
  }

  resize(width) {
    if (width === this.width) return;
    this.width = Math.max(width, 1);
    this.dispatchEvent(new Event("change"));
  }

  /** Show a range, moved and cut so that it lies in the video. */
  show(start, end) {
    const span = Math.min(Math.max(end - start, Math.min(CLOSEST, this.frames)), this.frames);
    const middle = (start + end) / 2;
    const from = Math.min(Math.max(middle - span / 2, 0), this.frames - span);
    if (from === this.start && from + span === this.end) return;
    this.start = from;
    this.end = from + span;
    this.dispatchEvent(new Event("change"));
  }

  /** Zoom by a factor; the frame stays where it is on the screen. */
  zoom(factor, around = (this.start + this.end) / 2) {
    const least = Math.min(CLOSEST, this.frames);
    const span = Math.min(Math.max(this.span / factor, least), this.frames);
    const share = (around - this.start) / this.span;
    this.show(around - share * span, around + (1 - share) * span);
  }

  pan(frames) {
    this.show(this.start + frames, this.end + frames);
  }

  fit() {
    this.show(0, this.frames);
  }

  /** Bring a frame into view: turn the page when it has left it, or keep it in the middle when it is far away. */
  reveal(frame) {
    if (frame >= this.start && frame < this.end) return;
    const next = frame >= this.end && frame < this.end + this.span / 2;
    const from = next ? frame - this.span * 0.05 : frame - this.span / 2;
    this.show(from, from + this.span);
  }
}
