/** The charts of History: fetched beside the page, drawn again when its figures are, or the appearance changes. */
import { drawQuality } from "./history_quality.js";
import { drawRuns } from "./history_runs.js";
import { drawWork } from "./history_work.js";
import { words } from "./words.js";

let charts = [];
let data = null;
let asked = 0;

function draw() {
  charts.forEach((chart) => chart.destroy());
  charts = data ? [drawRuns(data), ...drawQuality(data), drawWork(data)].filter(Boolean) : [];
}

/** Fetch what the charts show and draw it; the tables are there already. */
async function refresh() {
  const turn = ++asked;
  try {
    const answer = await fetch(document.getElementById("figures").dataset.charts);
    if (!answer.ok) throw new Error(answer.status);
    const found = await answer.json();
    if (turn !== asked) return;
    data = found;
  } catch {
    if (turn !== asked) return;
    data = null;
    for (const chart of document.querySelectorAll(".chart")) chart.replaceChildren(words.charts_failed);
  }
  draw();
}

/* What is open stays open when the figures come anew. */
let open = [];
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id === "figures") open = [...document.querySelectorAll("details[open]")].map(({ id }) => id);
});
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (detail.target?.id !== "figures") return;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  refresh();
});
document.addEventListener("change", ({ target }) => target.id === "work-step" && draw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
refresh();
