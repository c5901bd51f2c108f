/** What of the page is kept in its address, so that a link leads to the same frame and the same comparison. */

const REST_MS = 250;
let timer = null;

/** @returns {{frame: number|null, compare: {step: string, of: string}|null}} the frame from 0 */
export function read() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const frame = /^\d+$/.test(parts.get("frame") ?? "") ? Number(parts.get("frame")) - 1 : null;
  const [step, of] = (parts.get("compare") ?? "").split(":");
  return { frame, compare: of ? { step, of } : null };
}

/** Keep something from now on; null takes it out. The address changes when the page rests. */
export function keep(name, value) {
  const parts = new URLSearchParams(pending ?? location.hash.slice(1));
  if (value === null) parts.delete(name);
  else parts.set(name, value);
  pending = parts.toString().replaceAll("%3A", ":");
  clearTimeout(timer);
  timer = setTimeout(() => {
    history.replaceState(null, "", `#${pending}`);
    pending = null;
  }, REST_MS);
}
let pending = null;
