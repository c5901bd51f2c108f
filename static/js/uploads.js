/** Uploads on the pipeline page: archives and videos, dropped or chosen; several videos may become one project. */
import { UploadDesk } from "./uploads_desk.js";
import { onDrop } from "./uploads_files.js";
import { Refused } from "./uploads_transfer.js";
import { filled, words } from "./words.js";

const byId = (id) => document.getElementById(id);
const [area, picker, together, go] = ["uploads", "files", "together", "uploads-go"].map(byId);
const endsIn = (suffixes) => (file) => suffixes.some((suffix) => file.name.toLowerCase().endsWith(suffix));
const isVideo = endsIn(area.dataset.videos.split(","));
const desk = new UploadDesk(area, byId("upload-row"), "/api/uploads", endsIn(picker.accept.split(",")));
const stored = () => desk.transfers.filter((one) => one.state === "stored");

desk.addEventListener("changed", () => {
  if (go) go.hidden = desk.busy > 0 || !stored().length;
});
desk.addEventListener("over", ({ detail: transfer }) => {
  if (!transfer.stored) return;
  if (transfer.project) settle(transfer.project, transfer.stored.split("/")[0]);
  document.dispatchEvent(new CustomEvent("workflow:stored"));
});

/** What was started for the inbox needs no second start. */
go?.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.successful) for (const one of stored()) desk.steer(one, "hide");
});

/** Others of a project lie in the inbox now too, in the same folder. */
function settle(project, folder) {
  for (const one of desk.transfers.filter((other) => other.project === project && other.state === "whole")) {
    one.tell("stored", `${folder}/${one.file.name}`);
  }
}

async function add(files, project) {
  const waiting = desk.add(files, { project });
  if (project) await announceAll(waiting);
  desk.next();
}

/** Announce all videos of a project before the first is sent: the project appears when all of them have come. */
async function announceAll(members) {
  for (const transfer of members) {
    while (transfer.state !== "refused" && transfer.id === null && desk.transfers.includes(transfer)) {
      try {
        await transfer.announce();
        transfer.tell("waiting");
      } catch (error) {
        if (error instanceof Refused) transfer.tell("refused", error.message);
        else {
          transfer.tell("retrying");
          await transfer.patience(2000);
        }
      }
    }
  }
}

async function choose(files) {
  const loose = files.filter(isVideo);
  if (loose.length < 2) return add(files, "");
  byId("together-title").textContent = filled(words.together, { n: loose.length });
  together.returnValue = "";
  together.showModal();
  await new Promise((resolve) => together.addEventListener("close", resolve, { once: true }));
  if (together.returnValue !== "go") return undefined;
  const one = together.querySelector("input[value='one']").checked;
  await add(files.filter((file) => !loose.includes(file)), "");
  return add(loose, one ? byId("together-name").value.trim() : "");
}
const name = byId("together-name");
const needsName = () => {
  name.required = together.querySelector("input[value='one']").checked;
};
together.addEventListener("change", needsName);
name.addEventListener("input", () => {
  together.querySelector("input[value='one']").checked = true;
  needsName();
});

picker.addEventListener("change", () => {
  const files = [...picker.files];
  picker.value = "";
  choose(files);
});
onDrop(byId("drop"), async ({ files, folders }) => {
  for (const [folder, inner] of folders) await add(inner.filter(isVideo), folder);
  if (files.length) await choose(files);
});
