/** Mouse, pen and fingers on the lanes: click to go, drag to pan, wheel with Ctrl or pinch to zoom, hover to be told. */

const CLICK = 5;
const WHEEL = 0.0022;
const LINE = 16;

export class Gestures {
  /**
   * @param {HTMLElement} root the lanes
   * @param {import("./timeline.js").Timeline} timeline
   * @param {(frame: number) => void} go
   * @param {HTMLElement} hint where it is said what lies under the mouse
   */
  constructor(root, timeline, go, hint) {
    this.root = root;
    this.timeline = timeline;
    this.axis = timeline.axis;
    this.go = go;
    this.hint = hint;
    this.fingers = new Map();
    root.addEventListener("pointerdown", (event) => this.down(event));
    root.addEventListener("pointermove", (event) => this.move(event));
    root.addEventListener("pointerup", (event) => this.up(event));
    root.addEventListener("pointercancel", (event) => this.fingers.delete(event.pointerId));
    root.addEventListener("pointerleave", () => this.tell(null));
    root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  down(event) {
    if (event.button !== 0 || !event.target.matches("canvas")) return;
    this.root.setPointerCapture(event.pointerId);
    const found = this.timeline.under(event.clientX, event.clientY);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.drag = { x: event.clientX, moved: 0, scrubs: Boolean(found?.lane.scrubs) };
    this.tell(null);
    if (this.drag.scrubs) this.go(Math.floor(found.frame));
  }

  move(event) {
    const finger = this.fingers.get(event.pointerId);
    if (!finger) {
      this.tell(event.target.matches("canvas") ? event : null);
      return;
    }
    const before = this.spread();
    const from = finger.x;
    finger.x = event.clientX;
    this.drag.moved += Math.abs(event.clientX - from);
    if (this.fingers.size > 1) this.pinch(before);
    else if (this.drag.scrubs) this.go(Math.floor(this.axis.frame(this.inside(event.clientX))));
    else if (this.drag.moved > CLICK) this.axis.pan((from - event.clientX) * this.axis.scale);
  }

  /** Where two fingers are: the distance between them, and the middle. */
  spread() {
    const [one, other] = [...this.fingers.values()].map((finger) => finger.x);
    return { wide: Math.max(Math.abs(one - (other ?? one)), 20), middle: (one + (other ?? one)) / 2 };
  }

  pinch(before) {
    const after = this.spread();
    this.axis.zoom(after.wide / before.wide, this.axis.frame(this.inside(after.middle)));
    this.axis.pan((before.middle - after.middle) * this.axis.scale);
  }

  up(event) {
    const wasOne = this.fingers.size === 1;
    if (!this.fingers.delete(event.pointerId)) return;
    if (!wasOne || this.drag.moved > CLICK || this.drag.scrubs) return;
    const found = this.timeline.under(event.clientX, event.clientY);
    if (found) this.go(found.item && !event.shiftKey ? found.item.frame : Math.floor(found.frame));
  }

  wheel(event) {
    const unit = event.deltaMode === 1 ? LINE : 1;
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey) {
      const frame = this.axis.frame(this.inside(event.clientX));
      this.axis.zoom(Math.exp(-event.deltaY * unit * WHEEL), frame);
    } else if (Math.abs(sideways) > (event.shiftKey ? 0 : Math.abs(event.deltaY))) {
      this.axis.pan(sideways * unit * this.axis.scale);
    } else return; // the page scrolls
    event.preventDefault();
  }

  inside(clientX) {
    return clientX - this.root.getBoundingClientRect().left - this.timeline.left;
  }

  tell(event) {
    const found = event && this.timeline.under(event.clientX, event.clientY);
    this.hint.hidden = !found?.item;
    if (!found?.item) return;
    this.hint.textContent = found.item.text;
    const box = this.root.getBoundingClientRect();
    const x = Math.min(event.clientX - box.left + 14, box.width - this.hint.offsetWidth - 4);
    const y = event.clientY - box.top + 18;
    this.hint.style.transform = `translate(${Math.max(x, 0)}px, ${y}px)`;
  }
}
