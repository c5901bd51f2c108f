/** Pictures of single frames, a few asked for at once, those wished for last first; kept for a while. */

const AT_ONCE = 4;
const KEPT = 400;
const AGAIN_MS = 900;

/** Tells `change` when a picture has come. */
export class Thumbs extends EventTarget {
  /**
   * @param {import("./source.js").Source} source
   * @param {number} height in pixels of the page
   * @param {number} aspect width by height of the video
   */
  constructor(source, height, aspect) {
    super();
    this.source = source;
    this.height = height;
    this.width = Math.round(height * aspect);
    this.version = "";
    this.pictures = new Map();
    this.wished = new Set();
    this.loading = new Set();
    this.refused = new Set();
  }

  /** The picture of a frame; null while it is not there. @returns {ImageBitmap|null} */
  of(frame) {
    const found = this.pictures.get(frame);
    if (found) {
      this.pictures.delete(frame);
      this.pictures.set(frame, found);
      return found;
    }
    if (!this.loading.has(frame) && !this.refused.has(frame)) this.wished.add(frame);
    return null;
  }

  /** Forget what was wished for: the view has moved on. */
  begin() {
    this.wished.clear();
  }

  /** Ask for what the view that was drawn last lacks. */
  ask() {
    for (const frame of [...this.wished].slice(0, AT_ONCE - this.loading.size)) {
      this.wished.delete(frame);
      this.fetch(frame);
    }
  }

  async fetch(frame) {
    this.loading.add(frame);
    try {
      const ratio = Math.min(devicePixelRatio || 1, 2);
      const picture = await this.source.picture(frame, Math.round(this.height * ratio), this.version);
      if (picture) this.keep(frame, picture);
      else await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    } catch {
      this.refused.add(frame);
    }
    this.loading.delete(frame);
    this.dispatchEvent(new Event("change"));
  }

  keep(frame, picture) {
    this.pictures.set(frame, picture);
    if (this.pictures.size <= KEPT) return;
    const [oldest, dropped] = this.pictures.entries().next().value;
    this.pictures.delete(oldest);
    dropped.close();
  }
}
