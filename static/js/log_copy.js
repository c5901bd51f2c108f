/** Copying to the clipboard, also where the page was not reached by a secure address. */
import { words } from "./words.js";

/**
 * Copy a text and say so on the button for a moment.
 *
 * @param {HTMLElement} button
 * @param {string} text
 */
export async function copied(button, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  const place = button.lastChild;
  const before = place.textContent;
  if (before === words.copied) return;
  place.textContent = words.copied;
  setTimeout(() => {
    place.textContent = before;
  }, 1500);
}
