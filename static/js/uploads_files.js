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
export async function dropped(transfer) {
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
