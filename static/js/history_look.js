/** What the charts of History have in common: colours of the page, patterns beside them, axes, sizes. */
import uPlot from "../vendor/uplot-1.6.32/uPlot.esm.js";

/** The value of a colour of the page, for example `--good`. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const TILE = 8;
/** The lines of each pattern, in a tile of 8 x 8. */
const LINES = {
  rising: [[0, 8, 8, 0], [-2, 2, 2, -2], [6, 10, 10, 6]],
  crossed: [[0, 8, 8, 0], [0, 0, 8, 8]],
  level: [[0, 2, 8, 2], [0, 6, 8, 6]],
  upright: [[2, 0, 2, 8], [6, 0, 6, 8]],
};

/** A fill that is told from others without its colour: `solid`, `empty`, or lines. */
export function pattern(context, kind, name) {
  const ink = colour(name);
  if (kind === "solid") return ink;
  const scale = devicePixelRatio || 1;
  const tile = new OffscreenCanvas(TILE * scale, TILE * scale);
  const pen = tile.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = colour("--surface");
  pen.fillRect(0, 0, TILE, TILE);
  pen.strokeStyle = ink;
  pen.lineWidth = 1.7;
  for (const [x0, y0, x1, y1] of LINES[kind] ?? []) {
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}

/** An axis in the colours of the page. */
export function axis(options) {
  const font = `13px ${getComputedStyle(document.body).fontFamily}`;
  const line = { stroke: colour("--line"), width: 1 };
  return { stroke: colour("--ink-soft"), font, labelFont: font, grid: line, ticks: { ...line, size: 5 }, ...options };
}

/** A day (`2026-05-31`) in the language of the page. */
export function day(iso, options = { day: "numeric", month: "short" }) {
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { ...options, timeZone: "UTC" });
  return format.format(new Date(`${iso}T00:00:00Z`));
}

/** A number in the language of the page. */
export const number = (value) => value.toLocaleString(document.documentElement.lang);

/** A chart that fills its place and goes with its size; `label` says what it shows. */
export function chart(place, label, options, data) {
  const size = () => ({ width: Math.max(place.clientWidth, 40), height: place.clientHeight });
  place.replaceChildren();
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", label);
  const made = new uPlot({ ...size(), legend: { show: false }, ...options }, data, place);
  const observer = new ResizeObserver(() => {
    if (made.width !== size().width) made.setSize(size());
  });
  observer.observe(place);
  return {
    made,
    destroy() {
      observer.disconnect();
      made.destroy();
    },
  };
}

export const { bars } = uPlot.paths;
