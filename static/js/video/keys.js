/** What keys do, wherever on the page one is, except where somebody writes or a control needs the key itself. */

const OFF = "workflow-video-keys";
/** Elements that use some of the keys themselves. */
const OWN = {
  " ": "button, a, select, summary, [role=tab], input",
  ArrowUp: ".table-frame, .table-frame *, select, [role=tab]",
  ArrowDown: ".table-frame, .table-frame *, select, [role=tab]",
  Home: ".table-frame, .table-frame *, select",
  End: ".table-frame, .table-frame *, select",
};

/**
 * @param {Record<string, () => void>} actions by key; `Shift+` before it where it is held
 * @param {HTMLInputElement} wish the box with which somebody turns single keys off
 */
export function listen(actions, wish) {
  wish.checked = localStorage.getItem(OFF) === null;
  wish.addEventListener("change", () => {
    if (wish.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "");
  });
  document.addEventListener("keydown", (event) => {
    if (!wish.checked || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (event.target.matches("input:not([type=checkbox], [type=range]), textarea, select")) return;
    if (document.querySelector("dialog[open]") || (OWN[event.key] && event.target.matches(OWN[event.key]))) return;
    if (event.target.matches("[type=range]") && !/^[a-z]$/i.test(event.key)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = actions[event.shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
