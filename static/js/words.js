/** The texts of a page in the language that it is shown in, by name; those of the page itself and the shared ones. */
const texts = (id) => JSON.parse(document.getElementById(id)?.textContent || "{}");

export const words = { ...texts("shared-words"), ...texts("words") };

/** A text with the values that it names: `filled("%(n)s of %(all)s", { n: 1, all: 2 })`. */
export function filled(text, values) {
  return text.replace(/%\((\w+)\)s/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
