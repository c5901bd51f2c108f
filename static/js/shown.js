/** How figures are shown to people, the same as the server shows them. */
import { words } from "./words.js";

/** Seconds as `0:42` or `1:02:03`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Bytes in decimal units: `1.4 GB`. */
export function size(bytes) {
  let unit = 0;
  let value = bytes;
  for (; value >= 999.5 && unit < words.units.length - 1; unit += 1) value /= 1000;
  const maximumFractionDigits = value >= 10 || !unit ? 0 : 1;
  return `${value.toLocaleString(document.documentElement.lang, { maximumFractionDigits })} ${words.units[unit]}`;
}

/** A moment in the browser's time zone and the page's language; the day only where it is not today. */
export function moment(iso) {
  const time = new Date(iso);
  const today = time.toDateString() === new Date().toDateString();
  const day = today ? {} : { day: "numeric", month: "short", year: time.getFullYear() === new Date().getFullYear() ? undefined : "numeric" };
  return new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", ...day }).format(time);
}
