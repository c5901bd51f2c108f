/**
 * The lanes: canvases under one another on one axis, drawn anew only when what they show changes, and only those
 * that are on the screen. The playhead is an element of its own, so that playing draws no lane.
 */
import { differences } from "./paint.js";

/** Tells `draw` after every picture of the lanes, with the milliseconds that it took. */
export class Timeline extends EventTarget {
  /**
   * @param {HTMLElement} root holds a `.lane[data-lane]` with a canvas for each lane, `.playhead` and `.wish`
   * @param {import("./axis.js").Axis} axis
   */
  constructor(root, axis) {
    super();
    this.root = root;
    this.axis = axis;
    this.rows = new Map();
    this.position = 0;
    this.playhead = root.querySelector(".playhead");
    this.seen = new IntersectionObserver((entries) => this.noteSeen(entries), { rootMargin: "80px" });
    axis.addEventListener("change", () => this.redraw());
    new ResizeObserver(() => this.measure()).observe(root);
  }

  /** The lane of a name is drawn by this; none takes what stood there away. */
  set(name, lane) {
    const place = this.root.querySelector(`.lane[data-lane="${name}"]`);
    const canvas = place.querySelector("canvas");
    this.rows.get(name) ?? this.seen.observe(place);
    this.rows.set(name, { place, canvas, lane, isSeen: this.rows.get(name)?.isSeen ?? true, differences: [] });
    place.hidden = false;
    canvas.hidden = !lane;
    if (lane) place.querySelector(".lane-said").hidden = true;
    lane?.point?.(this.position);
    this.measure();
  }

  hide(name) {
    const row = this.rows.get(name);
    this.root.querySelector(`.lane[data-lane="${name}"]`).hidden = true;
    if (row) row.lane = null;
  }

  /** Say in place of a lane why there is nothing to see. */
  say(name, text) {
    this.set(name, null);
    const said = this.root.querySelector(`.lane[data-lane="${name}"] .lane-said`);
    said.hidden = false;
    said.textContent = text;
  }

  /** Mark where two results differ in the lanes that show them. */
  mark(names, found) {
    for (const name of names) {
      const row = this.rows.get(name);
      if (row) row.differences = found;
    }
    this.redraw();
  }

  noteSeen(entries) {
    for (const { target, isIntersecting } of entries) {
      const row = this.rows.get(target.dataset.lane);
      if (row) row.isSeen = isIntersecting;
    }
    this.redraw();
  }

  measure() {
    const drawn = [...this.rows.values()].find((row) => row.lane && row.canvas.clientWidth);
    if (!drawn) return;
    const frame = drawn.canvas.parentElement;
    this.left = frame.offsetLeft;
    this.axis.resize(frame.clientWidth);
    this.redraw();
  }

  /** Draw again with the next picture of the screen. */
  redraw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      const begun = performance.now();
      this.dispatchEvent(new Event("before"));
      for (const row of this.rows.values()) if (row.lane && row.isSeen) this.drawRow(row);
      this.placeHead();
      this.dispatchEvent(new CustomEvent("draw", { detail: performance.now() - begun }));
    });
  }

  drawRow({ canvas, lane, differences: found }) {
    const ratio = devicePixelRatio || 1;
    const [wide, high] = [Math.round(this.axis.width * ratio), Math.round(lane.height * ratio)];
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
      canvas.style.height = `${lane.height}px`;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.axis.width, lane.height);
    context.lineWidth = 1;
    lane.draw(context, this.axis);
    if (found.length) differences(context, this.axis, lane.height, found);
  }

  /** Move the playhead to the middle of a frame; a lane that shows something else with it is drawn anew. */
  point(frame) {
    this.position = frame;
    for (const row of this.rows.values()) if (row.lane?.point?.(frame) && row.isSeen) this.drawRow(row);
    this.placeHead();
  }

  placeHead() {
    const x = this.axis.x(this.position + 0.5);
    this.playhead.hidden = x < 0 || x > this.axis.width;
    this.playhead.style.transform = `translateX(${(this.left ?? 0) + x}px)`;
  }

  /** What lies under a point of the screen: the lane, the frame, and what the lane says of it. */
  under(clientX, clientY) {
    for (const { place, canvas, lane } of this.rows.values()) {
      if (!lane || place.hidden) continue;
      const box = canvas.getBoundingClientRect();
      if (clientY < box.top || clientY >= box.bottom || clientX < box.left || clientX >= box.right) continue;
      const frame = this.axis.frame(clientX - box.left);
      return { lane, frame, item: lane.at(frame, this.axis, clientY - box.top) };
    }
    return null;
  }
}
