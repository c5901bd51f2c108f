/** The share of degraded videos over the period: one small chart for each step, all to one scale. */
import { axis, bars, chart, colour, day, number, pattern } from "./history_look.js";
import { filled, words } from "./words.js";

/** Draw one chart for each step that worked. */
export function drawQuality({ stretches, quality }) {
  const top = Math.max(5, ...Object.values(quality).flat());
  return [...document.querySelectorAll("[data-quality]")].map((place) => {
    const step = place.dataset.quality;
    const title = place.parentElement.querySelector("h3").textContent;
    return quality[step] ? one(place, title, stretches, quality[step], top) : null;
  });
}

function one(place, title, stretches, shares, top) {
  const options = {
    cursor: { drag: { setScale: false }, points: { show: false }, y: false },
    scales: { x: { time: false, range: [-0.6, stretches.length - 0.4] }, y: { range: [0, top * 1.05] } },
    axes: [
      axis({ size: 26, values: (_, splits) => splits.map((at) => (stretches[at] ? day(stretches[at]) : "")), incrs: [1, 2, 5, 10], space: 64, grid: { show: false } }),
      axis({ size: 46, space: 26, values: (_, splits) => splits.map((share) => `${number(share)} %`) }),
    ],
    series: [{}, { stroke: colour("--warn"), width: 1, fill: (u) => pattern(u.ctx, "rising", "--warn"), paths: bars({ size: [0.8, 40] }), points: { show: false } }],
    hooks: { setCursor: [(u) => tell(title, stretches, shares, u.cursor.idx)] },
  };
  return chart(place, filled(words.chart_quality, { step: title }), options, [stretches.map((_, at) => at), shares]);
}

function tell(title, stretches, shares, at) {
  if (at === null || at === undefined) return;
  const share = shares[at] === null ? words.no_video : filled(words.share, { day: day(stretches[at]), share: `${number(shares[at])} %` });
  document.getElementById("readout-quality").textContent = shares[at] === null ? `${title}, ${day(stretches[at])}: ${share}` : `${title}, ${share}`;
}
