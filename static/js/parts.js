/** Parts of pages that are fetched anew: when, and what of them stays. */

/**
 * A function that calls another at once, then again at most every `ms` while it is asked to.
 *
 * @param {function(): void} call
 * @param {function(): number} ms
 */
export function throttled(call, ms) {
  let waits = false;
  let again = false;
  const run = () => {
    if (waits) {
      again = true;
      return;
    }
    waits = true;
    again = false;
    call();
    setTimeout(() => {
      waits = false;
      if (again) run();
    }, ms());
  };
  return run;
}

/** Keep what is unfolded over a swap: elements with an id. */
export function keepDetails() {
  let open = [];
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    open = [...detail.target.querySelectorAll("details[open][id]")].map((one) => one.id);
  });
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    for (const id of open) {
      const one = detail.target.querySelector(`#${CSS.escape(id)}`);
      if (one) one.open = true;
    }
  });
}

/*
 * A part with `data-follows="run step"` and `hx-trigger="refresh, …"` is fetched anew at events of these kinds: at
 * once, then at most every `data-soon` milliseconds, and always after the last of many. Its id outlives the swap.
 */
const SOON_MS = 700;
const follow = new Map();
document.addEventListener("workflow:event", ({ detail }) => {
  for (const { id, dataset } of document.querySelectorAll(`[data-follows~="${CSS.escape(detail.kind)}"]`)) {
    if (!follow.has(id)) {
      const soon = Number(dataset.soon ?? SOON_MS);
      const refresh = () => document.getElementById(id) && htmx.trigger(`#${CSS.escape(id)}`, "refresh");
      follow.set(id, throttled(refresh, () => soon));
    }
    follow.get(id)();
  }
});
