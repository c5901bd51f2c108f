/**
 * The faces drawn over the picture that is shown: those of that very frame, or none.
 *
 * What the canvas shows is also there as data: `data-frame` (from 1; empty while nothing is drawn) and `data-boxes`.
 */
import { colours, ofIdentity } from "./colours.js";
import { filled, words } from "../words.js";

const LINE = 16;
const SHADOW = "rgb(0 0 0 / 75%)";

export class Overlay {
  /**
   * @param {HTMLCanvasElement} canvas over the picture, as large as the stage
   * @param {HTMLElement} note says why nothing is drawn
   * @param {{width: number, height: number}} picture pixels that boxes are given in
   */
  constructor(canvas, note, picture) {
    this.canvas = canvas;
    this.note = note;
    this.picture = picture;
    this.shows = { faces: true, mouth: true, speakers: true };
    this.last = [null, undefined];
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    this.draw();
  }

  /** Draw the faces of a frame. @param {object[]|undefined} boxes undefined: not known yet */
  show(frame, boxes) {
    this.last = [frame, boxes];
    this.draw();
  }

  draw() {
    const [frame, boxes] = this.last;
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const drawn = this.shows.faces && frame !== null && boxes !== undefined;
    this.canvas.dataset.frame = drawn ? frame + 1 : "";
    this.canvas.dataset.boxes = drawn ? JSON.stringify(boxes) : "";
    this.say(frame, boxes);
    if (!drawn) return;
    const ratio = devicePixelRatio || 1;
    context.scale(ratio, ratio);
    const place = this.place();
    this.labels = [];
    for (const box of boxes) this.face(context, box, place);
  }

  say(frame, boxes) {
    const waiting = this.shows.faces && frame !== null && boxes === undefined;
    this.note.hidden = !waiting;
    if (waiting) this.note.textContent = filled(words.boxes_wait, { frame: frame + 1 });
  }

  /** Where the picture lies in the stage, and how large a pixel of it is. */
  place() {
    const [wide, high] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const scale = Math.min(wide / this.picture.width, high / this.picture.height);
    return { scale, x: (wide - this.picture.width * scale) / 2, y: (high - this.picture.height * scale) / 2 };
  }

  face(context, box, place) {
    const isFlat = box.y0 === null || box.y1 === null; // a reduced file keeps no height
    if (box.x0 === null || box.x1 === null) return;
    const [y0, y1] = isFlat ? [0, this.picture.height] : [box.y0, box.y1];
    const [x, y] = [place.x + box.x0 * place.scale, place.y + y0 * place.scale];
    const [wide, high] = [(box.x1 - box.x0) * place.scale, (y1 - y0) * place.scale];
    const colour = ofIdentity(box.id, colours.overPicture);
    const line = box.speaking ? 5 : 2;
    context.setLineDash(isFlat ? [6, 5] : []);
    context.strokeStyle = SHADOW;
    context.lineWidth = line + 2;
    context.strokeRect(x, y, wide, high);
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.strokeRect(x, y, wide, high);
    context.setLineDash([]);
    if (this.shows.mouth && box.mouth !== null) mouth(context, box.mouth, x + wide + 6, y, high, colour);
    this.label(context, this.text(box), x - line / 2, y, colour);
  }

  /** Room for a label above a place; further up, or inside, where another label stands already. */
  free(x, y, wide) {
    const left = Math.max(0, Math.min(x, this.canvas.clientWidth - wide));
    const above = [1, 2, 3].map((row) => y - row * (LINE + 6)).filter((top) => top >= 0);
    const inside = [0, 1, 2, 3].map((row) => y + 4 + row * (LINE + 6));
    const places = [...above, ...inside].map((top) => ({ left, top, right: left + wide }));
    const found = places.find((one) => !this.labels.some((other) => overlap(one, other))) ?? places[0];
    this.labels.push(found);
    return found;
  }

  text(box) {
    const parts = [box.id];
    if (box.speaking) parts.push(words.speaks);
    if (this.shows.speakers) parts.push(...box.speaker);
    return parts.join(" · ");
  }

  label(context, text, x, y, colour) {
    context.font = `600 13px ${colours.font}`;
    const wide = context.measureText(text).width + 10;
    const { left, top } = this.free(x, y, wide);
    context.fillStyle = "rgb(10 12 16 / 88%)";
    context.fillRect(left, top, wide, LINE + 4);
    context.fillStyle = colour;
    context.fillRect(left, top, 4, LINE + 4);
    context.fillStyle = "#fff";
    context.textBaseline = "middle";
    context.fillText(text, left + 8, top + LINE / 2 + 2.5);
  }
}

function overlap(one, other) {
  return one.left < other.right && other.left < one.right && Math.abs(one.top - other.top) < LINE + 6;
}

function mouth(context, open, x, y, high, colour) {
  const full = Math.max(high, 12);
  const filledPart = full * Math.min(Math.max(open, 0), 1);
  context.fillStyle = SHADOW;
  context.fillRect(x - 1, y, 8, full);
  context.fillStyle = colour;
  context.fillRect(x + 1, y + full - filledPart, 4, filledPart);
}
