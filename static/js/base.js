/** What every page does: connection state, local times, notices that can be closed, notifications of ended runs. */
import "./parts.js";
import { moment } from "./shown.js";
import { filled, words } from "./words.js";
import "./progress.js";

/** Milliseconds that good news stays. */
const GOOD_MS = 8000;
const connection = document.getElementById("connection");

document.addEventListener("workflow:connection", ({ detail }) => {
  connection.dataset.state = detail;
  connection.textContent = words[`connection_${detail}`];
});

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    time.textContent = moment(time.dateTime);
    time.title = new Date(time.dateTime).toLocaleString(document.documentElement.lang);
    time.dataset.local = "";
  }
}
localise(document);
document.addEventListener("htmx:load", ({ detail }) => localise(detail.elt.parentElement ?? detail.elt));

document.addEventListener("click", ({ target }) => {
  const close = target.closest("[data-close]");
  if (close) close.closest(close.dataset.close)?.remove();
});
document.addEventListener("change", ({ target }) => {
  if (target.matches("select[data-submits]")) target.form.requestSubmit();
});

const notices = document.getElementById("notices");

/** Good news goes when it was read; whoever points at it or is in it keeps it. */
function leaveByItself(notice) {
  if (notice.dataset?.kind !== "good") return;
  const leave = () => (notice.matches(":hover, :focus-within") ? setTimeout(leave, GOOD_MS) : notice.remove());
  setTimeout(leave, GOOD_MS);
}

/* What lies below a modal dialog can neither be seen nor heard, so notices go where people are. */
new MutationObserver((changes) => {
  changes.flatMap(({ addedNodes }) => [...addedNodes]).forEach(leaveByItself);
  const place = document.querySelector("dialog:modal") ?? document.body;
  if (notices.parentElement !== place && notices.childElementCount) place.append(notices);
}).observe(notices, { childList: true });
document.addEventListener("close", ({ target }) => target.contains(notices) && document.body.append(notices), true);

document.addEventListener("htmx:sendError", () => {
  const note = document.getElementById("no-answer").content.cloneNode(true);
  if (!notices.querySelector("[data-no-answer]")) notices.append(note);
});

/* Notifications: only after the button was pressed, which asks the browser. */
const wish = "workflow-notifications";
const button = document.getElementById("notifications");
const wanted = () => localStorage.getItem(wish) === "yes" && Notification.permission === "granted";

function showWish() {
  button.setAttribute("aria-pressed", String(wanted()));
  button.title = wanted() ? words.notifications_on : words.notifications_off;
}
if ("Notification" in window) {
  button.hidden = false;
  showWish();
  button.addEventListener("click", async () => {
    if (wanted()) localStorage.setItem(wish, "no");
    else if ((await Notification.requestPermission()) === "granted") localStorage.setItem(wish, "yes");
    showWish();
  });
  document.addEventListener("workflow:event", ({ detail }) => {
    const ended = detail.kind === "run" && !["queued", "running"].includes(detail.data.state);
    if (!ended || !wanted()) return;
    const said = filled(words.run_ended, { run: detail.run, state: words[`state_${detail.data.state}`] });
    const shown = new Notification(said, { tag: `run-${detail.run}`, icon: "/static/icon.svg" });
    shown.onclick = () => {
      focus();
      location.href = `/runs/${detail.run}`;
    };
  });
}
