/** The colours of the page for drawing, as they are just now; told again when the appearance changes. */

const NAMES = ["ground", "surface", "raised", "ink", "ink-soft", "line", "accent", "good", "warn", "bad", "busy", "idle"];
const FAMILY = 8;

export const colours = {};

function read() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(`--${name}`).trim();
  for (const name of NAMES) colours[name] = value(name);
  colours.font = style.fontFamily;
  colours.speakers = Array.from({ length: FAMILY }, (_, n) => value(`speaker-${n}`));
  colours.faces = Array.from({ length: FAMILY }, (_, n) => value(`face-${n}`));
  colours.overPicture = Array.from({ length: FAMILY }, (_, n) => value(`over-${n}`));
}

/** The colour of the n-th of a kind. */
export const nth = (family, n) => family[((n % FAMILY) + FAMILY) % FAMILY];

/** The colour of an identity, by the number in its name; brighter over a picture. */
export const ofIdentity = (id, family = colours.faces) => nth(family, Number(/\d+/.exec(id)?.[0] ?? id.length));

/** Call when the appearance has changed. */
export function onColours(redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    read();
    redraw();
  });
}

read();
