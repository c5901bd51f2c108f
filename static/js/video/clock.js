/**
 * Frames, seconds and timecodes of one video.
 *
 * Inside, frames count from 0 and ranges are half-open; what people read and type counts from 1, as in the delivered
 * files. A timecode is `hh:mm:ss:ff`; the first frame has `00:00:00:00`.
 */

const two = (n) => String(n).padStart(2, "0");

export class Clock {
  /** @param {number} fps frames per second  @param {number} frames how many the video has */
  constructor(fps, frames) {
    this.fps = fps;
    this.frames = frames;
  }

  /** A frame that exists. */
  within(frame) {
    return Math.min(Math.max(Math.round(frame), 0), Math.max(this.frames - 1, 0));
  }

  /** The second in the middle of a frame: a player that is sent there shows this frame and no other. */
  middle(frame) {
    return (frame + 0.5) / this.fps;
  }

  /** The frame whose time a picture has. */
  ofPicture(seconds) {
    return this.within(seconds * this.fps);
  }

  /** The frame that is shown at a moment. */
  at(seconds) {
    return this.within(Math.floor(seconds * this.fps + 1e-6));
  }

  /** `hh:mm:ss:ff`. */
  timecode(frame) {
    const second = Math.floor(frame / this.fps + 1e-9);
    return `${this.time(second)}:${two(frame - this.first(second))}`;
  }

  /** What leads to a frame of the page. */
  address(frame) {
    return `#frame=${frame + 1}`;
  }

  /** `hh:mm:ss` of a whole second. */
  time(second) {
    return [second / 3600, (second / 60) % 60, second % 60].map((n) => two(Math.floor(n))).join(":");
  }

  /** The first frame of a whole second. */
  first(second) {
    return Math.ceil(second * this.fps - 1e-9);
  }

  /**
   * The frame that a text names: `1234` (from 1), `1:02` or `1:02:03` (to the second), `00:01:02:12`, `62.48` s.
   * @returns {number|null} from 0; null when the text names no frame of the video
   */
  parse(text) {
    const said = text.trim();
    const parts = said.split(":");
    if (/^\d+$/.test(said)) return this.known(Number(said) - 1);
    if (/^\d+[.,]\d+$/.test(said)) return this.known(Math.floor(Number(said.replace(",", ".")) * this.fps + 1e-6));
    if (parts.length > 4 || !parts.every((part) => /^\d{1,4}$/.test(part))) return null;
    const frames = parts.length === 4 ? Number(parts.pop()) : 0;
    const second = parts.reduce((sum, part) => sum * 60 + Number(part), 0);
    return this.known(this.first(second) + frames);
  }

  known(frame) {
    return frame >= 0 && frame < this.frames ? frame : null;
  }
}
