// captions.js: the workbench: photos in, captions out, put right, exported, taught.
import { getJson, saveFile } from "./api.js";
import { makeCard } from "./card.js";
import { sendPhoto } from "./convert.js";
import { loadDatasets } from "./datasets.js";
import { $, attempt, confirm, copyText, duration, h, showFor, showProblem, values } from "./dom.js";
import { asCsv, asImage, asJson, asLines, captionOf, isDone, isUnsaved, isUnsure, newNote } from "./entries.js";
import { lessonsIn, saveLesson, USUAL } from "./lessons.js";
import { fillModels, modelNamed } from "./models.js";
import { photoPlace } from "./photos.js";
import { makeQueue } from "./queue.js";
import { drop, keepNote, keepPhoto, kept, shelfFault } from "./shelf.js";

const FEW = 6; // cards that show all; of more, each is opened by who wants to see
const LASTING = ["broken-model", "no-data-directory"]; // "come back later" that no waiting mends
const cards = [];
let newest = 0, began = 0, done = 0; // done: since the queue was last empty

const waiting = ({ note }) => !note.result && !note.fault;
const say = (text) => ($("captions-live").textContent = text);
const tools = () => $("caption-tools");
const unsureBelow = () => Number($("unsure-below").value) || 0;
const dataset = () => $("lesson-dataset").value.trim() || USUAL;

// ---- asking --------------------------------------------------------------------------------------------------------

async function askCaption(file) {
    const options = values($("caption-options"));
    const model = await modelNamed(options.model);
    const query = { ...options, logprobs: true };
    if (query.decode === "greedy") delete query.decode; // the default
    if (model?.kind === "attention") query.attention = true;
    const { answer, sent } = await sendPhoto(file, (body) =>
        getJson("/v1/caption", { method: "POST", query, body, headers: { "Content-Type": body.type || "application/octet-stream" } }));
    const [best] = answer.captions, captions = [best, ...(best.alternatives ?? [])];
    return { captions, model: answer.model, timing: answer.timing, kind: model?.kind, options, converted: sent !== file };
}

// Throws only what is worth trying again later.
async function work(card) {
    const { note } = card.entry;
    card.show();
    try {
        const result = await askCaption(card.entry.file);
        Object.assign(note, { result, chosen: 0, fault: null });
        say(`${note.name}: ${captionOf(card.entry).text}`);
    } catch (error) {
        if (error.retryAfter && !LASTING.includes(error.type)) throw error;
        note.fault = { title: error.title, message: error.message, status: error.status };
    }
    done++;
    keepNote(card.entry.id, note);
    setTimeout(() => { // when the queue has let go of it
        card.show();
        showTools();
    });
}

let heldTimer = 0;
function told(seconds) {
    $("queue-held").textContent = `The daemon is busy; the queue goes on in ${duration(seconds)}.`;
    clearTimeout(heldTimer);
    heldTimer = setTimeout(() => ($("queue-held").textContent = ""), 1000 * seconds);
}
const queue = makeQueue(work, told);

function ask(card) {
    if (!queue.length()) [began, done] = [Date.now(), 0];
    card.entry.note.fault = null;
    queue.add(card);
    card.show();
    showTools();
}

// ---- the toolbar ---------------------------------------------------------------------------------------------------

function showTools() {
    const entries = cards.map((c) => c.entry), left = queue.length(), failed = entries.filter((e) => e.note.fault).length;
    const unsure = entries.filter((e) => isUnsure(e, unsureBelow())).length, seconds = (left * (Date.now() - began)) / 1000 / done;
    tools().hidden = !cards.length;
    $("caption-counts").textContent = [`${cards.length} ${cards.length === 1 ? "photo" : "photos"}`, left && `${left} to go${done > 3 ? `, about ${duration(seconds)}` : ""}`,
        unsure && `${unsure} unsure`, failed && `${failed} failed`].filter(Boolean).join(" · ");
    Object.assign($("caption-progress"), { max: Math.max(1, done + left), value: done, hidden: !left });
    $("retry-failed").hidden = !failed;
    $("save-edited").hidden = !entries.some((e) => e.note.edited !== null && isUnsaved(e, dataset()));
    $("caption-list").classList.toggle("many", cards.length > FEW);
    $("shelf-fault").textContent = shelfFault() && `${shelfFault()}: captions are lost when this page is closed. Export them first.`;
}

async function tellLessons(name) {
    const n = await lessonsIn(name);
    $("lessons-told").replaceChildren(`${name} has ${n} ${n === 1 ? "photo" : "photos"} to learn from. `,
        n > 1 ? h("a", { href: `#/training?dataset=${encodeURIComponent(name)}` }, "Train on it") : "Two are the least to train on.");
}

async function saveCard(card) {
    const name = dataset();
    card.entry.note.saved = await saveLesson(card.entry, name);
    deck.changed(card);
    await tellLessons(name);
}

function onTool(id, work) {
    const button = $(id);
    button.addEventListener("click", () => attempt(button, $("captions-fault"), async () => {
        $("captions-fault").replaceChildren();
        await work(cards.map((c) => c.entry));
    }));
}

function initTools() {
    const finished = (entries) => entries.filter(isDone), text = (type, content) => new Blob([content], { type });
    onTool("copy-all", async (entries) => {
        await copyText(asLines(finished(entries)));
        say("The captions are copied, a line each: the file, a tab, the caption.");
    });
    onTool("copy-html", async (entries) => {
        await copyText(finished(entries).map(asImage).join("\n"));
        say("The captions are copied as HTML.");
    });
    onTool("export-csv", (entries) => saveFile("captions.csv", text("text/csv", asCsv(entries, unsureBelow()))));
    onTool("export-json", (entries) => saveFile("captions.json", text("application/json", asJson(entries, unsureBelow()))));
    onTool("retry-failed", () => cards.filter((c) => c.entry.note.fault).forEach(ask));
    onTool("caption-all", () => cards.forEach(ask));
    onTool("save-edited", async () => {
        for (const card of cards.filter((c) => c.entry.note.edited !== null && isUnsaved(c.entry, dataset()))) await saveCard(card);
    });
    onTool("remove-all", async () => {
        if (await confirm("Remove all photos?", "They and their captions go from this page and from the browser's memory. Files are not touched.", "Remove")) removeAll(cards);
    });
    for (const id of ["unsure-below", "lesson-dataset"]) $(id).addEventListener("input", () => {
        cards.forEach((card) => card.showText());
        showTools();
    });
    $("lesson-dataset").addEventListener("focus", () => loadDatasets().then((all) => $("dataset-names").replaceChildren(...all.map((d) => h("option", { value: d.name })))).catch(() => 0));
}

// ---- cards ---------------------------------------------------------------------------------------------------------

function removeAll(gone) {
    const ids = gone.map((card) => card.entry.id), at = cards.indexOf(gone[0]);
    for (const card of [...gone]) {
        queue.remove(card);
        URL.revokeObjectURL(card.element.querySelector(".fit img")?.src);
        card.element.remove();
        cards.splice(cards.indexOf(card), 1);
    }
    drop(ids);
    showTools();
    (cards[Math.min(at, cards.length - 1)]?.element.querySelector(".sentence:not([hidden])") ?? document.querySelector("[data-photos=captions] input")).focus();
}

const deck = {
    again: ask,
    remove: (card) => removeAll([card]),
    save: saveCard,
    changed: (card) => {
        keepNote(card.entry.id, card.entry.note);
        card.showText();
        showTools();
    },
    unsureBelow,
    dataset,
    isBusy: (card) => queue.isBusyWith(card),
};

function place(entry) {
    const card = makeCard(entry, deck, cards.length < FEW);
    cards.push(card);
    $("caption-list").append(card.element);
    card.show();
    return card;
}

// Photos in the order in which they were picked.
function add(files) {
    for (const file of files) {
        const entry = { id: (newest = Math.max(newest + 1, Date.now())), file, note: newNote(file.name || "pasted photo") };
        const card = place(entry);
        keepPhoto(entry.id, file, entry.note).then(showTools);
        ask(card);
    }
}

// What was there before the page was loaded anew; what had not been captioned yet is.
async function restore() {
    for (const entry of await kept()) {
        newest = Math.max(newest, entry.id);
        const card = place(entry);
        if (waiting(entry)) ask(card);
    }
    showTools();
}

// ---- the panel -----------------------------------------------------------------------------------------------------

export function init() {
    const form = $("caption-options"), decode = form.elements.decode;
    form.addEventListener("submit", (event) => event.preventDefault());
    decode.addEventListener("change", () => showFor(form, decode.value));
    showFor(form, decode.value);
    initTools();
    restore().finally(() => photoPlace(document.querySelector("[data-photos=captions]"), add, { multiple: true }));
}

// Called also when a key was entered: what was refused for want of one is asked again.
export async function show() {
    try {
        await fillModels($("caption-options").elements.model, (usual) => `${usual}, the default`);
    } catch (error) {
        showProblem($("captions-fault"), error);
        return;
    }
    $("captions-fault").replaceChildren();
    cards.filter((card) => card.entry.note.fault?.status === 401).forEach(ask);
}
