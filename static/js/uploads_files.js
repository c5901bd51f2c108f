/** What somebody dropped: files, and folders with the videos in them. */

const read = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

/** All files below a folder. */
async function below(folder) {
  const found = [];
  const reader = folder.createReader();
  for (let part = await read(reader); part.length; part = await read(reader)) {
    for (const entry of part) found.push(...(entry.isDirectory ? await below(entry) : [await fileOf(entry)]));
  }
  return found;
}

/**
 * The files of a drop: `files` that lie by themselves, and `folders` by name with the files in them.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<{files: File[], folders: Map<string, File[]>}>}
 */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()); // before any await
  const files = [];
  const folders = new Map();
  for (const entry of entries) {
    if (entry instanceof File) files.push(entry);
    else if (entry?.isDirectory) folders.set(entry.name, await below(entry));
    else if (entry) files.push(await fileOf(entry));
  }
  return { files, folders };
}

/**
 * Let files be dropped anywhere on the page.
 *
 * @param {HTMLElement} curtain what is shown while they are held over the page
 * @param {(dropped: {files: File[], folders: Map<string, File[]>}) => void} take
 */
export function onDrop(curtain, take) {
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  let inside = 0;
  addEventListener("dragenter", (event) => {
    if (!carries(event)) return;
    inside += 1;
    curtain.hidden = false;
  });
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("dragleave", (event) => {
    if (!carries(event)) return;
    inside = Math.max(0, inside - 1);
    if (!inside) curtain.hidden = true;
  });
  addEventListener("drop", async (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    inside = 0;
    curtain.hidden = true;
    take(await dropped(event.dataTransfer));
  });
}
