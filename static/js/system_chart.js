/** One chart of the system page, its figure and its table. */
import uPlot from "/static/vendor/uplot-1.6.32/uPlot.esm.js";
import { size } from "./shown.js";
import { filled, words } from "./words.js";

const HEIGHT = 150;
const language = document.documentElement.lang;
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });

function shownShare(share) {
  const digits = share >= 0.0995 ? 0 : 1;
  return `${(100 * share).toLocaleString(language, { maximumFractionDigits: digits })} %`;
}
const shown = (value, bytes) => (value === null || value === undefined ? "–" : bytes ? size(value) : shownShare(value));

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(data, span, width) {
  const soft = colour("--ink-soft");
  const grid = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: soft, grid, ticks: { show: false }, font: "12px system-ui, sans-serif", gap: 4 };
  return {
    width,
    height: HEIGHT,
    padding: [10, 8, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    legend: { show: false },
    scales: {
      x: { time: true, range: (_, __, max) => [(max ?? Date.now() / 1000) - span.seconds, max ?? Date.now() / 1000] },
      y: { range: [0, data.total ?? Math.max(...data.values, 1)] },
    },
    axes: [
      { ...axis, size: 22, space: 70, values: (_, marks) => marks.map((mark) => clock.format(mark * 1000)) },
      { ...axis, size: 58, space: 34, values: (_, marks) => marks.map((mark) => shown(mark, data.bytes)) },
    ],
    series: [
      {},
      {
        stroke: colour("--accent"),
        fill: colour("--accent-soft"),
        width: 2,
        points: { show: false },
        gaps: (_, __, from, to, found) => found,
      },
    ],
  };
}

/** The columns with a null wherever nothing was measured for long, so that the line is broken there. */
function broken({ time, values }, gap) {
  const x = [];
  const y = [];
  time.forEach((moment, index) => {
    if (index && moment - time[index - 1] > gap) {
      x.push(time[index - 1] + gap / 2);
      y.push(null);
    }
    x.push(moment);
    y.push(values[index]);
  });
  return [x, y];
}

function rows({ time, values, bytes }, width) {
  const groups = new Map();
  time.forEach((moment, index) => {
    if (values[index] === null) return;
    const begin = Math.floor(moment / width) * width;
    groups.set(begin, [...(groups.get(begin) ?? []), values[index]]);
  });
  return [...groups].reverse().map(([begin, found]) => [
    clock.format(begin * 1000),
    shown(found.reduce((sum, one) => sum + one, 0) / found.length, bytes),
    shown(Math.max(...found), bytes),
  ]);
}

function tell(card, data) {
  const known = data.values.filter((value) => value !== null);
  const plot = card.querySelector("[data-plot]");
  const what = card.querySelector("h2").textContent;
  if (!known.length) {
    plot.setAttribute("aria-label", `${what}: ${words.no_data}`);
    return;
  }
  const now = shown(data.values.at(-1), data.bytes);
  const mean = shown(known.reduce((sum, one) => sum + one, 0) / known.length, data.bytes);
  plot.setAttribute("aria-label", filled(words.chart, { what, now, mean, highest: shown(Math.max(...known), data.bytes) }));
  card.querySelector("[data-value]").textContent = now;
  const note = card.querySelector("[data-note]");
  if (card.dataset.series === "disk") {
    const free = size(data.total - data.values.at(-1));
    note.textContent = filled(words.free, { free, total: size(data.total) });
  }
}

function fillTable(card, data, width) {
  if (!card.querySelector("details").open) return;
  const body = card.querySelector("[data-rows]");
  body.replaceChildren(
    ...rows(data, width).map((cells) => {
      const row = document.createElement("tr");
      cells.forEach((text, index) => {
        const cell = document.createElement(index ? "td" : "th");
        if (index) cell.className = "number";
        else cell.scope = "row";
        cell.textContent = text;
        row.append(cell);
      });
      return row;
    }),
  );
}

/**
 * Make the chart of a card.
 * @param {Element} card with `[data-plot]`, `[data-value]`, `[data-rows]`
 * @returns {(data: object, span: object) => void} what shows new data, as `series.of` gives them
 */
export function drawChart(card) {
  const place = card.querySelector("[data-plot]");
  let chart = null;
  let shownNow = null;
  let made = "";

  function draw(data, span) {
    shownNow = [data, span];
    tell(card, data);
    fillTable(card, data, span.row);
    const kind = `${span.seconds} ${data.total}`;
    if (!chart || made !== kind) {
      chart?.destroy();
      chart = new uPlot(options(data, span, place.clientWidth), broken(data, span.gap), place);
      made = kind;
    } else chart.setData(broken(data, span.gap));
  }
  function again() {
    made = "";
    if (shownNow) draw(...shownNow);
  }
  new ResizeObserver(() => chart?.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  card.querySelector("details").addEventListener("toggle", () => shownNow && fillTable(card, shownNow[0], shownNow[1].row));
  return draw;
}
