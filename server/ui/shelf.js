// shelf.js: the photos and their captions in the browser's own database, so that nothing is lost on reload. Photos are
// written once, what is said of them whenever it changes. Where there is no room or no database, the page works on
// and says that it keeps nothing.

const PHOTOS = "photos", NOTES = "notes";
let opened, fault = "";

const settled = (request) => new Promise((done, fail) => {
    request.onsuccess = request.oncomplete = () => done(request.result);
    request.onerror = request.onabort = () => fail(request.error);
});

function database() {
    opened ??= (async () => {
        const request = indexedDB.open(`captiond ${new URL(".", document.baseURI).pathname}`, 1); // one for each path of a proxy
        request.onupgradeneeded = () => [PHOTOS, NOTES].forEach((name) => request.result.createObjectStore(name));
        return settled(request);
    })();
    return opened;
}

// Runs work(photos, notes) in one transaction and waits until it is stored. Returns what `work` returns.
async function change(work) {
    try {
        const transaction = (await database()).transaction([PHOTOS, NOTES], "readwrite");
        work(transaction.objectStore(PHOTOS), transaction.objectStore(NOTES));
        await settled(transaction);
        fault = "";
    } catch (error) {
        fault = error?.name === "QuotaExceededError" ? "The browser has no room for more photos" : "The browser does not let the page store anything";
    }
}

// Why what is shown would be lost on reload; "": it would not.
export const shelfFault = () => fault;

export const keepPhoto = (id, file, note) => change((photos, notes) => [photos.put(file, id), notes.put(note, id)]);
export const keepNote = (id, note) => change((_, notes) => notes.put(note, id));
export const drop = (ids) => change((photos, notes) => ids.forEach((id) => [photos.delete(id), notes.delete(id)]));

// All that is kept, as [{id, file, note}], in the order in which it came.
export async function kept() {
    try {
        const stores = (await database()).transaction([PHOTOS, NOTES]);
        const [ids, files, notes] = await Promise.all([stores.objectStore(PHOTOS).getAllKeys(), stores.objectStore(PHOTOS).getAll(), stores.objectStore(NOTES).getAll()].map(settled));
        return ids.map((id, i) => ({ id, file: files[i], note: notes[i] })).filter((each) => each.file && each.note);
    } catch {
        fault = "The browser does not let the page store anything";
        return [];
    }
}
