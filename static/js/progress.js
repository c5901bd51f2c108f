/**
 * Progress of step runs, brought up to date from events without asking the server; and clocks that tick.
 *
 * `[data-step-run="7"]` holds a `progress` element, `.progress-text` and `.progress-video`.
 * `[data-clock="<ISO time>"]` shows the time since then.
 */
import { duration } from "./shown.js";
import { filled, words } from "./words.js";

/** When each step run reached the share it had first, to tell how long the rest takes: id -> {video, time, share}. */
const begun = new Map();

function remaining(id, video, share) {
  const now = performance.now() / 1000;
  const first = begun.get(id);
  if (!first || first.video !== video || share < first.share) begun.set(id, { video, time: now, share });
  else if (share > first.share + 0.02 && now - first.time > 3) {
    return ((1 - share) * (now - first.time)) / (share - first.share);
  }
  return null;
}

function show({ step_run: id, data }) {
  const { done, total, unit, video } = data;
  for (const place of document.querySelectorAll(`[data-step-run="${id}"]`)) {
    const bar = place.querySelector("progress");
    const text = place.querySelector(".progress-text");
    if (!bar || !text) continue;
    if (total > 0) {
      const share = Math.min(done / total, 1);
      const left = remaining(`${id}`, video, share);
      bar.max = total;
      bar.value = done;
      text.textContent = `${Math.floor(share * 100)} %` + (left === null ? "" : ` · ${filled(words.left, { time: duration(left) })}`);
    } else {
      bar.removeAttribute("value"); // how much there is, is not known
      text.textContent = `${Math.floor(done)} ${unit || ""}`;
    }
    text.title = `${Math.floor(done)} / ${Math.floor(total)} ${unit || ""}`;
    const name = place.querySelector(".progress-video");
    if (name && video) name.textContent = typeof video === "object" ? video.name : video;
  }
}

function tick() {
  for (const clock of document.querySelectorAll("[data-clock]")) {
    clock.textContent = duration((Date.now() - Date.parse(clock.dataset.clock)) / 1000);
  }
}

document.addEventListener("workflow:event", ({ detail }) => detail.kind === "progress" && show(detail));
document.addEventListener("htmx:afterSettle", tick);
setInterval(tick, 1000);
tick();
