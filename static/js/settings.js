/** The settings page: search while typing, `/` to begin, and a link to one setting opens it. */
import { filled, words } from "./words.js";

const search = document.getElementById("search");
const changed = document.getElementById("only-changed");
const found = document.getElementById("found");

function filter() {
  const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const active = wanted.length > 0 || changed.checked;
  let count = 0;
  for (const group of document.querySelectorAll(".group")) {
    const title = group.querySelector("h2").textContent.toLowerCase();
    let some = false;
    for (const setting of group.querySelectorAll(".setting")) {
      const text = `${title} ${setting.querySelector(".what").textContent.toLowerCase()}`;
      const fits = wanted.every((word) => text.includes(word)) && (!changed.checked || "changed" in setting.dataset);
      setting.hidden = active && !fits;
      some ||= fits;
      count += fits;
    }
    group.hidden = active && !some;
  }
  const said = !active ? "" : count ? filled(words.found, { count }) : words.none;
  if (found.textContent !== said) found.textContent = said;
}

function openNamed() {
  const named = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named instanceof HTMLDetailsElement) named.open = true;
}

search.addEventListener("input", filter);
changed.addEventListener("change", filter);
addEventListener("hashchange", openNamed);
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  filter();
  const saved = detail.elt.matches?.(".setting") && detail.elt.querySelector(".saved");
  if (saved && document.activeElement === document.body) detail.elt.querySelector(".save").focus(); // its button went
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape" && event.target === search && search.value) {
    search.value = "";
    filter();
  }
});
openNamed();
filter();
