/** The page on which files are dropped to be transcribed. */
import { UploadDesk } from "../uploads_desk.js";
import { onDrop } from "../uploads_files.js";

const byId = (id) => document.getElementById(id);
const wish = byId("wish");
const picker = byId("files");
const desk = new UploadDesk(byId("uploads"), byId("upload-row"), "/api/transcriptions/uploads");

function take(files) {
  const fields = Object.fromEntries(new FormData(wish));
  desk.add(files, fields);
  desk.next();
}

/* A file by itself is what somebody waits for: its page shows the words as they come. */
desk.addEventListener("over", ({ detail: transfer }) => {
  if (!transfer.stored) return;
  if (desk.transfers.length === 1) location.assign(`/transcribe/${transfer.stored}`);
  else desk.steer(transfer, "hide");
});

wish.addEventListener("submit", (event) => event.preventDefault());
picker.addEventListener("change", () => {
  const files = [...picker.files];
  picker.value = "";
  take(files);
});
/** Whether a file of a folder is likely to have sound: what lies beside it there is passed over. */
const suffixes = picker.accept.split(",").filter((one) => one.startsWith("."));
const sounds = (file) => /^(audio|video)\//.test(file.type) || suffixes.some((one) => file.name.toLowerCase().endsWith(one));
onDrop(byId("drop"), ({ files, folders }) => take([...files, ...[...folders.values()].flat().filter(sounds)]));
