/** A table of cells that is one stop of the Tab key: arrows, Home and End move in it; its place outlives new rows. */

/**
 * Let the keyboard move among the cells of a table.
 *
 * @param {HTMLElement} root holds the table, whatever replaces it
 * @returns {{enter: function(): void}} `enter` is to be called when the table was replaced
 */
export function grid(root) {
  let current = null;
  const cells = () => root.querySelectorAll(".cell");

  function enter() {
    const cell = (current && root.querySelector(`#${CSS.escape(current)}`)) || root.querySelector(".cell[aria-current='true']") || cells()[0];
    if (cell) stop(cell);
  }

  function stop(cell) {
    for (const other of root.querySelectorAll(".cell[tabindex='0']")) other.tabIndex = -1;
    cell.tabIndex = 0;
    current = cell.id;
  }

  function beside(cell, key, whole) {
    const place = cell.closest("td");
    const row = place.parentElement;
    const all = [...row.querySelectorAll(".cell")];
    const rows = [...row.parentElement.rows];
    const inRow = (other) => other && (other.cells[place.cellIndex]?.querySelector(".cell") ?? null);
    const down = (from, by) => {
      for (let at = from; at >= 0 && at < rows.length; at += by) if (inRow(rows[at])) return inRow(rows[at]);
      return null;
    };
    const at = rows.indexOf(row);
    switch (key) {
      case "ArrowLeft": return all[all.indexOf(cell) - 1];
      case "ArrowRight": return all[all.indexOf(cell) + 1];
      case "ArrowUp": return down(at - 1, -1);
      case "ArrowDown": return down(at + 1, 1);
      case "PageUp": return down(Math.max(0, at - 10), 1);
      case "PageDown": return down(Math.min(rows.length - 1, at + 10), -1);
      case "Home": return whole ? down(0, 1) : all[0];
      case "End": return whole ? down(rows.length - 1, -1) : all[all.length - 1];
      default: return null;
    }
  }

  root.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".cell");
    if (!cell || event.altKey || event.metaKey) return;
    const next = beside(cell, event.key, event.ctrlKey);
    if (!next) return;
    event.preventDefault();
    stop(next);
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  root.addEventListener("focusin", ({ target }) => target.matches(".cell") && stop(target));
  enter();
  return { enter };
}


/**
 * Replace only the rows of a large table that have changed: the rest keeps focus, selection and the browser's time.
 *
 * @param {HTMLElement} root what htmx would replace the content of; it holds one table
 * @param {function(): void} done is called when that was done in place of a swap
 */
export function patches(root, done) {
  const html = (rows) => [...rows].map((row) => row.outerHTML);
  let known = html(root.querySelectorAll("tbody tr"));

  root.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target !== root || !detail.shouldSwap) return;
    const holder = document.createElement("template");
    holder.innerHTML = detail.serverResponse;
    const [before, after] = [root, holder.content].map((place) => place.querySelectorAll("tbody tr"));
    const next = html(after);
    const same = after.length > 0 && before.length === after.length && [...after].every((row, index) => videoOf(row) === videoOf(before[index]));
    if (same) {
      detail.shouldSwap = false;
      const focused = root.contains(document.activeElement) ? document.activeElement.id : "";
      after.forEach((row, index) => next[index] !== known[index] && before[index].replaceWith(row));
      for (const part of ["thead", ".matrix-sum"]) root.querySelector(part).replaceWith(holder.content.querySelector(part));
      Object.assign(root.querySelector("table").dataset, holder.content.querySelector("table").dataset);
      if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true });
      done();
    }
    known = next;
  });
}

const videoOf = (row) => row.querySelector("th a").getAttribute("href");
