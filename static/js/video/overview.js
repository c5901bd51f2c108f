/**
 * The whole file in one strip: its sound, and the window that the lanes show. A scroll bar for all lanes.
 *
 * Focus it and use the arrow keys; drag to pan, press beside the window to go there.
 */
const KEYS = { ArrowLeft: -0.1, ArrowRight: 0.1, PageUp: -0.9, PageDown: 0.9, Home: -Infinity, End: Infinity };
const POINTS = 1200;

export class Overview {
  /**
   * @param {HTMLElement} bar `role=scrollbar`; holds `.overview-wave`, `.overview-window` and `.overview-head`
   * @param {import("./axis.js").Axis} axis
   * @param {import("./clock.js").Clock} clock
   */
  constructor(bar, axis, clock) {
    this.bar = bar;
    this.axis = axis;
    this.clock = clock;
    this.window = bar.querySelector(".overview-window");
    this.head = bar.querySelector(".overview-head");
    axis.addEventListener("change", () => this.show());
    new ResizeObserver(() => this.show()).observe(bar);
    bar.addEventListener("pointerdown", (event) => this.press(event));
    bar.addEventListener("pointermove", (event) => this.grip !== undefined && this.drag(event));
    bar.addEventListener("pointerup", () => (this.grip = undefined));
    bar.addEventListener("pointercancel", () => (this.grip = undefined));
    bar.addEventListener("keydown", (event) => this.key(event));
    this.show();
  }

  /**
   * Draw the sound of the whole file from peaks that the server made; nothing is decoded here.
   * @param {typeof import("../../vendor/wavesurfer-7.12.12/wavesurfer.esm.js").default} WaveSurfer
   */
  wave(WaveSurfer, peaks, nonce) {
    const style = getComputedStyle(this.bar);
    this.drawn?.destroy();
    this.drawn = WaveSurfer.create({
      container: this.bar.querySelector(".overview-wave"),
      height: this.bar.clientHeight,
      peaks: [peaks.flat().map((value) => value / 128)],
      duration: this.clock.frames / this.clock.fps,
      waveColor: style.getPropertyValue("--idle"),
      cursorWidth: 0,
      interact: false,
      hideScrollbar: true,
      cspNonce: nonce,
    });
  }

  /** How the whole sound is asked for. */
  get asked() {
    return { start: 0, end: this.clock.frames / this.clock.fps, points: POINTS };
  }

  /** Put the playhead on a frame. */
  point(frame) {
    this.frame = frame;
    this.head.style.transform = `translateX(${((frame + 0.5) / this.axis.frames) * this.bar.clientWidth}px)`;
  }

  show() {
    const wide = this.bar.clientWidth;
    const [from, to] = [this.axis.start, this.axis.end].map((frame) => (frame / this.axis.frames) * wide);
    this.window.style.transform = `translateX(${Math.min(from, wide - 6)}px)`;
    this.window.style.width = `${Math.max(to - from, 6)}px`;
    this.bar.setAttribute("aria-valuemax", Math.max(Math.round(this.axis.frames - this.axis.span), 0));
    this.bar.setAttribute("aria-valuenow", Math.round(this.axis.start));
    const [first, last] = [this.axis.start, this.axis.end - 1].map((frame) => this.clock.timecode(Math.round(frame)));
    this.bar.setAttribute("aria-valuetext", `${first} – ${last}`);
    this.point(this.frame ?? 0);
  }

  at(event) {
    return ((event.clientX - this.bar.getBoundingClientRect().left) / this.bar.clientWidth) * this.axis.frames;
  }

  press(event) {
    if (event.button !== 0) return;
    this.bar.setPointerCapture(event.pointerId);
    const frame = this.at(event);
    const isInside = frame >= this.axis.start && frame < this.axis.end && this.axis.span < this.axis.frames;
    this.grip = isInside ? frame - this.axis.start : this.axis.span / 2;
    this.drag(event);
  }

  drag(event) {
    const start = this.at(event) - this.grip;
    this.axis.show(start, start + this.axis.span);
  }

  key(event) {
    const part = KEYS[event.key];
    if (part === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    const span = Number.isFinite(part) ? part * this.axis.span : Math.sign(part) * this.axis.frames;
    this.axis.pan(span);
    event.preventDefault();
    event.stopPropagation();
  }
}
