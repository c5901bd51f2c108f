/** Runs by day, stacked by state; a click looks at the runs of a day. */
import { axis, bars, chart, colour, day, number, pattern } from "./history_look.js";
import { filled, words } from "./words.js";

/** How the states are drawn, from the bottom up. */
const LOOK = [
  ["succeeded", "--good", "solid"],
  ["degraded", "--warn", "rising"],
  ["failed", "--bad", "crossed"],
  ["interrupted", "--warn", "upright"],
  ["cancelled", "--idle", "level"],
  ["running", "--busy", "solid"],
  ["queued", "--idle", "empty"],
];

/** Draw the chart; nothing where no run was asked for. */
export function drawRuns({ days, runs }) {
  const place = document.getElementById("chart-runs");
  if (!place) return null;
  const shown = LOOK.filter(([state]) => runs[state].some((count) => count));
  const heights = [];
  shown.forEach(([state], row) => heights.push(days.map((_, at) => runs[state][at] + (row ? heights[row - 1][at] : 0))));
  const drawn = shown.map(([state], row) => heights[row].map((height, at) => (runs[state][at] ? height : null))); // none, no line
  const options = {
    cursor: { drag: { setScale: false }, points: { show: false }, y: false },
    scales: { x: { time: false, range: [-0.6, days.length - 0.4] }, y: { range: (_, _low, high) => [0, Math.max(high * 1.05, 4)] } },
    axes: [
      axis({ size: 30, values: (_, splits) => splits.map((at) => (days[at] ? day(days[at]) : "")), incrs: [1, 2, 7, 14, 28, 56], space: 70, grid: { show: false } }),
      axis({ size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }),
    ],
    series: [{}, ...shown.map(([, name, kind]) => ({
      stroke: colour(name),
      width: 1,
      fill: (u) => pattern(u.ctx, kind, name),
      paths: bars({ size: [0.82, 42] }),
      points: { show: false },
    })).reverse()],
    hooks: { setCursor: [(u) => tell(days, runs, u.cursor.idx)], ready: [(u) => listen(u, days)] },
  };
  return chart(place, words.chart_runs, options, [days.map((_, at) => at), ...drawn.reverse()]);
}

function tell(days, runs, at) {
  if (at === null || at === undefined) return;
  const parts = LOOK.filter(([state]) => runs[state][at]).map(([state]) => `${number(runs[state][at])} ${words[`state_${state}`]}`);
  const when = day(days[at], { weekday: "short", day: "numeric", month: "long", year: "numeric" });
  document.getElementById("readout-runs").textContent = filled(words.day, { day: when, runs: parts.join(", ") || words.no_run });
}

function listen(u, days) {
  u.over.addEventListener("click", () => {
    const chosen = days[u.cursor.idx];
    if (!chosen) return;
    const address = new URL(location.href);
    for (const name of ["days", "page"]) address.searchParams.delete(name);
    address.searchParams.set("from", chosen);
    address.searchParams.set("to", chosen);
    location.href = address;
  });
}
