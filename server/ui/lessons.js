// lessons.js: captions that a human has put right, as a dataset to learn from.
import { ask, getJson } from "./api.js";
import { sendPhoto } from "./convert.js";
import { textOf } from "./entries.js";

export const USUAL = "corrections"; // the dataset's name

const path = (dataset, rest = "") => `/v1/datasets/${encodeURIComponent(dataset)}${rest}`;

// What the photo was saved with before, by this page and nobody else, makes place.
async function forget({ dataset, item }) {
    try {
        await ask(path(dataset, `/items/${item}`), { method: "DELETE" });
    } catch (error) {
        if (error.status !== 404) throw error;
    }
}

async function add(dataset, file, caption) {
    const body = new FormData();
    body.append("image", file, file.name || "photo");
    body.append("caption", caption);
    const response = await ask(path(dataset, "/items"), { method: "POST", body });
    return { dataset, item: (await response.json()).id, caption, own: response.status === 201 };
}

// Puts the photo and its caption into the dataset, which is made if need be. Returns the note's `saved`.
export async function saveLesson(entry, dataset) {
    const { saved } = entry.note;
    await ask(path(dataset), { method: "PUT" });
    if (saved?.own && saved.dataset === dataset) await forget(saved);
    return (await sendPhoto(entry.file, (file) => add(dataset, file, textOf(entry)))).answer;
}

export const lessonsIn = async (dataset) => (await getJson(path(dataset))).items;
