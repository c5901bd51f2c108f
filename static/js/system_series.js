/** The machine's history as the API gives it: joined as it grows, and the columns of each chart. */

/** What a span shows: seconds, the width of a row of its table, and the gap from which a line is broken. */
export const spans = {
  hour: { seconds: 3600, row: 300, gap: 20 },
  day: { seconds: 86400, row: 3600, gap: 300 },
};

const COLUMNS = ["time", "cpu", "memory", "disk"];

function joined(known, more, { seconds }) {
  if (!known) return more;
  if (more.time.length === 0) return { ...known, memory_total: more.memory_total, disk_total: more.disk_total };
  const from = known.time.findIndex((time) => time > more.time.at(-1) - seconds);
  const begin = from < 0 ? known.time.length : from;
  const all = (before, after) => [...before.slice(begin), ...after];
  const result = { ...more };
  for (const name of COLUMNS) result[name] = all(known[name], more[name]);
  result.gpus = more.gpus.map((gpu) => {
    const before = known.gpus.find((one) => one.uuid === gpu.uuid);
    const nothing = known.time.map(() => null);
    return { ...gpu, load: all(before?.load ?? nothing, gpu.load), memory: all(before?.memory ?? nothing, gpu.memory) };
  });
  return result;
}

/** What one card shows: `time`, `values`, their `total` (1 for shares) and whether they are bytes. */
function of(card, history) {
  const kind = card.dataset.series;
  const gpu = history.gpus.find((one) => card.dataset.chart.endsWith(one.uuid));
  const nothing = history.time.map(() => null);
  switch (kind) {
    case "memory":
      return { time: history.time, values: history.memory, total: history.memory_total, bytes: true };
    case "disk":
      return { time: history.time, values: history.disk, total: history.disk_total, bytes: true };
    case "load":
      return { time: history.time, values: gpu?.load ?? nothing, total: 1, bytes: false };
    case "gpu-memory":
      return { time: history.time, values: gpu?.memory ?? nothing, total: gpu?.memory_total ?? null, bytes: true };
    default:
      return { time: history.time, values: history.cpu, total: 1, bytes: false };
  }
}

export const series = { joined, of };
