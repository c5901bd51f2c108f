/** Work against length: a mark for each piece of work, its shape and colour for the step, filled on a GPU. */
import { axis, chart, colour } from "./history_look.js";
import { duration } from "./shown.js";
import { filled, words } from "./words.js";

const TIMES = [0.01, 0.1, 1, 10, 60, 600, 3600, 36000, 360000];
/** How near the pointer must come to a mark, in CSS pixels. */
const REACH = 14;
const SHAPES = [
  [[-1, -1], [1, -1], [1, 1], [-1, 1]],
  [[0, -1.3], [1.2, 0.9], [-1.2, 0.9]],
  [[0, -1.4], [1.4, 0], [0, 1.4], [-1.4, 0]],
  [[0, 1.3], [1.2, -0.9], [-1.2, -0.9]],
  [[-1.3, -0.4], [-0.4, -0.4], [-0.4, -1.3], [0.4, -1.3], [0.4, -0.4], [1.3, -0.4], [1.3, 0.4], [0.4, 0.4], [0.4, 1.3], [-0.4, 1.3], [-0.4, 0.4], [-1.3, 0.4]],
  null, // a circle
  [[-1.4, -0.5], [1.4, -0.5], [1.4, 0.5], [-1.4, 0.5]],
];

/** Draw the chart of the step that is chosen, or of all; nothing where no work was measured. */
export function drawWork({ work }) {
  const place = document.getElementById("chart-work");
  if (!place || !work.length) return null;
  const choice = document.getElementById("work-step");
  const steps = [...choice.options].map(({ value }) => value).filter(Boolean);
  const titles = Object.fromEntries([...choice.options].map(({ value, text }) => [value, text]));
  const shown = work.filter(({ step }) => !choice.value || step === choice.value).map((group) => ({ ...group, title: titles[group.step], look: steps.indexOf(group.step) }));
  showLegend(shown);
  const label = (text) => ({ label: text, labelSize: 20, splits: times, filter: (_, splits) => splits, values: (_, splits) => splits.map(shortTime) });
  const options = {
    cursor: { drag: { setScale: false }, points: { show: false }, x: false, y: false },
    scales: { x: { time: false, distr: 3, range: range(shown, "length") }, y: { distr: 3, range: range(shown, "seconds") } },
    axes: [axis(label(words.axis_video)), axis({ size: 62, ...label(words.axis_work) })],
    series: [{}, { scale: "y", paths: () => null, points: { show: false } }],
    hooks: { draw: [(u) => drawMarks(u, shown)], ready: [(u) => listen(u, shown)] },
  };
  const [low, high] = range(shown, "length");
  return chart(place, words.chart_work, options, [[low, high], [null, null]]);
}

function range(groups, name) {
  const values = groups.flatMap((group) => group[name]).filter((value) => value > 0);
  return [Math.min(...values) / 1.6, Math.max(...values) * 1.6];
}

const times = (_, _axis, low, high) => TIMES.filter((time) => time >= low && time <= high);

function shortTime(seconds) {
  if (seconds < 60) return `${seconds.toLocaleString(document.documentElement.lang)} s`;
  return seconds < 3600 ? `${seconds / 60} min` : `${seconds / 3600} h`;
}

function outline(pen, look, x, y, size) {
  const shape = SHAPES[look % SHAPES.length];
  pen.beginPath();
  if (shape) shape.forEach(([dx, dy], at) => pen[at ? "lineTo" : "moveTo"](x + dx * size, y + dy * size));
  else pen.arc(x, y, 1.1 * size, 0, 2 * Math.PI);
  pen.closePath();
}

function drawMarks(u, groups) {
  const pen = u.ctx;
  const scale = devicePixelRatio || 1;
  const { left, top, width, height } = u.bbox;
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  pen.lineWidth = 1.4 * scale;
  for (const { look, device, length, seconds } of groups) {
    pen.strokeStyle = pen.fillStyle = colour(`--speaker-${look % 8}`);
    for (let at = 0; at < length.length; at++) {
      outline(pen, look, u.valToPos(length[at], "x", true), u.valToPos(seconds[at], "y", true), 3.4 * scale);
      pen.globalAlpha = 0.3;
      if (device !== "cpu") pen.fill();
      pen.globalAlpha = 0.75;
      pen.stroke();
    }
  }
  pen.globalAlpha = 1;
  drawDiagonal(u, pen, scale);
  pen.restore();
}

/** The line on which work takes as long as the video. */
function drawDiagonal(u, pen, scale) {
  const { min, max } = u.scales.x;
  pen.strokeStyle = pen.fillStyle = colour("--ink-soft");
  pen.lineWidth = scale;
  pen.setLineDash([6 * scale, 5 * scale]);
  pen.beginPath();
  pen.moveTo(u.valToPos(min, "x", true), u.valToPos(min, "y", true));
  pen.lineTo(u.valToPos(max, "x", true), u.valToPos(max, "y", true));
  pen.stroke();
  pen.setLineDash([]);
  const end = Math.min(max, u.scales.y.max);
  pen.font = `${12 * scale}px ${getComputedStyle(document.body).fontFamily}`;
  pen.textAlign = "right";
  const place = [words.as_long, u.valToPos(end, "x", true) - 14 * scale, u.valToPos(end, "y", true) + 14 * scale];
  pen.strokeStyle = colour("--surface"); // what is below does not make it illegible
  pen.lineWidth = 5 * scale;
  pen.lineJoin = "round";
  pen.strokeText(...place);
  pen.fillText(...place);
}

function showLegend(groups) {
  const scale = devicePixelRatio || 1;
  const items = groups.map(({ title, look, device }) => {
    const item = document.createElement("li");
    const mark = document.createElement("canvas");
    mark.className = "mark";
    mark.width = mark.height = 20 * scale;
    mark.setAttribute("aria-hidden", "true");
    const pen = mark.getContext("2d");
    pen.strokeStyle = pen.fillStyle = colour(`--speaker-${look % 8}`);
    pen.lineWidth = 1.6 * scale;
    outline(pen, look, 10 * scale, 10 * scale, 5.4 * scale);
    pen.stroke();
    pen.globalAlpha = 0.45;
    if (device !== "cpu") pen.fill();
    item.append(mark, `${title}, ${device.toUpperCase()}`);
    return item;
  });
  document.getElementById("legend-work").replaceChildren(...items);
}

function nearest(u, groups) {
  let found = null;
  let best = REACH * REACH;
  for (const group of groups) {
    for (let at = 0; at < group.length.length; at++) {
      const dx = u.valToPos(group.length[at], "x") - u.cursor.left;
      const dy = u.valToPos(group.seconds[at], "y") - u.cursor.top;
      if (dx * dx + dy * dy >= best) continue;
      best = dx * dx + dy * dy;
      found = { group, at };
    }
  }
  return found;
}

function listen(u, groups) {
  const readout = document.getElementById("readout-work");
  u.over.addEventListener("mousemove", () => {
    const found = nearest(u, groups);
    if (!found) return;
    const { group, at } = found;
    const told = { step: group.title, device: group.device.toUpperCase(), run: group.run[at] };
    readout.textContent = filled(words.point, { ...told, seconds: exact(group.seconds[at]), length: exact(group.length[at]) });
  });
  u.over.addEventListener("click", () => {
    const found = nearest(u, groups);
    if (found) location.href = `/runs/${found.group.run[found.at]}`;
  });
}

const exact = (seconds) => (seconds < 10 ? `${seconds.toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 })} s` : duration(seconds));
