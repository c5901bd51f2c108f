/** The project page: the matrix follows the work; a cell opens the panel with its reason. */
import { keepDetails, throttled } from "./parts.js";
import { grid, patches } from "./project_matrix.js";

const matrix = document.getElementById("matrix");
const panel = document.getElementById("panel");
const filter = document.getElementById("filter");
const base = `/parts/project/${matrix.dataset.project}`;
patches(matrix, changed);
const cells = grid(matrix);
keepDetails();

/** What follows when the matrix shows something else. */
function changed() {
  cells.enter();
  const facts = document.getElementById("facts");
  if (panel.open && facts) htmx.trigger(facts, "refresh");
}

/** Show an address in the panel. */
async function open(address) {
  const body = document.getElementById("panel-body");
  body.replaceChildren();
  await htmx.ajax("GET", address, { target: "#panel-body", swap: "innerHTML" });
  if (body.childElementCount && !panel.open) panel.showModal();
  panel.scrollTop = 0;
}

document.addEventListener("click", async ({ target }) => {
  const cell = target.closest("#matrix .cell");
  const opens = target.closest("[data-opens]");
  if (cell) {
    history.replaceState(null, "", `#${cell.id.slice(3)}`);
    open(`${base}/cell/${cell.id.slice(3)}`);
  } else if (opens) {
    opens.disabled = true;
    await open(opens.dataset.opens);
    opens.disabled = false;
  } else if (target === panel || target.closest("[data-closes='panel']")) panel.close();
});
panel.addEventListener("close", () => {
  history.replaceState(null, "", location.pathname + location.search);
  const cell = matrix.querySelector(".cell[tabindex='0']");
  if (cell && document.activeElement === document.body) cell.focus();
});
panel.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.successful && detail.requestConfig.verb === "post") panel.close();
});
const openNamed = () => location.hash.includes("/") && open(`${base}/cell/${location.hash.slice(1)}`);
addEventListener("hashchange", openNamed);
openNamed();

filter.addEventListener("change", () => {
  const search = new URLSearchParams(new FormData(filter)).toString();
  history.replaceState(null, "", location.pathname + (search ? `?${search}` : ""));
});

const rows = () => Number(matrix.querySelector("table")?.dataset.rows ?? 0);
const refresh = throttled(() => htmx.trigger(matrix, "refresh"), () => (rows() > 100 ? 3000 : 1000));

const ENDED = ["succeeded", "degraded", "failed", "cancelled"];
/** The video that each step run spoke of last. */
const videos = new Map();

document.addEventListener("workflow:event", ({ detail: { kind, data, step_run: step } }) => {
  const ours = (matrix.querySelector("table")?.dataset.stepRuns ?? "").split(" ").includes(String(step));
  const concerns = kind === "step" && (data.project_key === matrix.dataset.project || !data.project);
  const turned = kind === "progress" && videos.get(step) !== data.video;
  if (kind === "progress") videos.set(step, data.video);
  if (concerns && ENDED.includes(data.state)) htmx.trigger("#files", "refresh");
  if (concerns || (ours && (turned || kind === "video"))) refresh();
});
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target.id === "plan") detail.target.scrollIntoView({ block: "nearest" });
  if (detail.target === matrix) changed();
});
