// datasets.js: photos and captions to learn from.
import { ask, getAll, getJson } from "./api.js";
import { sendPhoto } from "./convert.js";
import { $, attempt, confirm, h, number, refill, showProblem, table, values, when } from "./dom.js";
import { isPhoto, photoPlace } from "./photos.js";

const path = (name, rest = "") => `/v1/datasets/${encodeURIComponent(name)}${rest}`;
const PAGE = 24;
let opened = "";

export const loadDatasets = () => getAll("/v1/datasets?limit=500", "datasets");

// ---- the list ------------------------------------------------------------------------------------------------------

async function remove(dataset, button) {
    if (!(await confirm(`Delete ${dataset.name}?`, `${number(dataset.items)} photos go with it. This cannot be undone.`, "Delete"))) return;
    await attempt(button, $("dataset-list"), async () => {
        await ask(path(dataset.name), { method: "DELETE" });
        if (opened === dataset.name) $("dataset-open").replaceChildren(h("p", { class: "empty" }, `${dataset.name} is deleted.`));
        await showList();
    });
}

function row(d) {
    const open = h("button", { type: "button", class: "link", onclick: () => openDataset(d.name) }, d.name);
    const drop = h("button", { type: "button", class: "quiet", "aria-label": `Delete ${d.name}`, onclick: () => remove(d, drop) }, "Delete");
    return [{ head: open }, number(d.items), number(d.captions), d.features_ready === d.items ? "all" : `${number(d.features_ready)} of ${number(d.items)}`, drop];
}

async function showList() {
    const datasets = await loadDatasets();
    refill($("dataset-list"), datasets.length ? table("Stored on this machine", ["Name", "Photos", "Captions", "Encoded", "Change"], datasets.map(row))
        : h("p", { class: "empty" }, "No datasets yet."));
}

async function create(event) {
    event.preventDefault();
    const form = event.target, { name } = values(form);
    await attempt(form.querySelector("button"), $("dataset-list"), async () => {
        await ask(path(name), { method: "PUT" });
        form.reset();
        await showList();
        await openDataset(name);
    });
}

// ---- adding photos -------------------------------------------------------------------------------------------------

// image-file-name<TAB>caption, several lines an image -> {name: [captions]}
function readTable(text) {
    const captions = {};
    for (const line of text.split(/\r?\n/)) {
        const [name, caption] = line.split("\t");
        if (caption) (captions[name] ??= []).push(caption);
    }
    return captions;
}

const ITS_OWN_FAULT = [400, 413, 415, 422]; // statuses that say nothing of the photos behind it

// Sends the photos one by one. Returns those that were refused, as [{photo, error}], and those not sent after an error
// that the others would meet, too.
async function upload(name, photos, captionsOf, progress) {
    const refused = [];
    for (const [i, photo] of photos.entries()) {
        try {
            await sendPhoto(photo, (image) => {
                const body = new FormData();
                body.append("image", image);
                captionsOf(photo).forEach((caption) => body.append("caption", caption));
                return ask(path(name, "/items"), { method: "POST", body });
            });
        } catch (error) {
            refused.push({ photo, error });
            if (!ITS_OWN_FAULT.includes(error.status)) return { refused, left: photos.slice(i + 1) };
        }
        progress(i + 1, photos.length);
    }
    return { refused, left: [] };
}

function showRefused(place, refused) {
    const [{ photo, error }] = refused, told = refused.map((r) => `${r.photo.name}: ${r.error.title}, ${r.error.message}`);
    showProblem(place, refused.length === 1 ? { ...error, title: `${photo.name}: ${error.title}`, message: error.message }
        : { title: `${refused.length} photos were refused`, message: told.join("; ") });
}

function addForm(name, refresh) {
    let files = [];
    const chosen = h("p", { class: "notice", "aria-live": "polite" }), fault = h("div", {});
    const bar = h("progress", { value: 0, max: 1, hidden: true, "aria-label": "Photos sent" });
    const text = h("textarea", { name: "captions", rows: 2 });
    const drop = h("div", { class: "drop small", "data-photos": "datasets" });
    photoPlace(drop, (more) => {
        files = more;
        chosen.textContent = `Chosen: ${files.length > 3 ? `${files.length} files` : files.map((f) => f.name).join(", ")}`;
    }, { multiple: true, also: ".tsv" });
    const add = h("button", { class: "primary" }, "Add");
    const submit = (event) => {
        event.preventDefault();
        fault.replaceChildren();
        attempt(add, fault, async () => {
            const photos = files.filter(isPhoto), sheet = files.find((f) => !isPhoto(f)), known = sheet ? readTable(await sheet.text()) : {};
            const typed = text.value.split("\n").map((l) => l.trim()).filter(Boolean), captionsOf = (photo) => known[photo.name] || typed;
            const mute = photos.find((photo) => !captionsOf(photo).length);
            if (!photos.length) throw Object.assign(new Error(""), { title: "Choose a photo first." });
            if (mute) throw Object.assign(new Error(`Write what ${mute.name} shows, or add a .tsv file that says it.`), { title: "A caption is missing." });
            Object.assign(bar, { hidden: false, value: 0 });
            const { refused, left } = await upload(name, photos, captionsOf, (i, n) => Object.assign(bar, { value: i, max: n }));
            bar.hidden = true;
            const stored = photos.length - refused.length - left.length;
            chosen.textContent = `${stored} of ${photos.length} stored.`;
            files = refused.length ? [...refused.map((r) => r.photo), ...left, ...(sheet ? [sheet] : [])] : []; // to be added again
            if (refused.length) showRefused(fault, refused);
            else text.value = "";
            await refresh();
        });
    };
    return h("form", { class: "add", "aria-label": `Add photos to ${name}`, onsubmit: submit }, drop,
        h("label", {}, "What it shows, a caption a line ", h("small", {}, "(or add a .tsv file: photo’s name, tab, caption)"), text),
        chosen, bar, fault, h("p", { class: "actions" }, add));
}

// ---- one dataset ---------------------------------------------------------------------------------------------------

async function loadPhoto(image, name, item) {
    const url = URL.createObjectURL(await (await ask(path(name, `/items/${item.id}/image`))).blob());
    image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    image.src = url;
}

function itemCard(name, item, refresh) {
    const fault = h("div", {}), image = h("img", { alt: item.captions[0], width: item.width, height: item.height });
    const drop = h("button", { type: "button", class: "quiet", "aria-label": `Delete the photo: ${item.captions[0]}` }, "Delete");
    drop.addEventListener("click", () => attempt(drop, fault, async () => {
        await ask(path(name, `/items/${item.id}`), { method: "DELETE" });
        await refresh();
    }));
    loadPhoto(image, name, item).catch((error) => showProblem(fault, error));
    return h("li", {}, image, h("div", {}, item.captions.map((c) => h("p", {}, c)), fault, drop));
}

// put: where a page's items go, those of the first in place of what was there.
async function fillItems(list, more, name, from, refresh, put = (...items) => list.append(...items)) {
    const page = await getJson(from);
    put(...page.items.map((item) => itemCard(name, item, refresh)));
    more.hidden = !page.next;
    more.onclick = () => fillItems(list, more, name, page.next, refresh).catch((error) => showProblem(list, error));
}

async function openDataset(name) {
    const place = $("dataset-open");
    opened = name;
    const facts = h("p", { class: "facts" }), list = h("ul", { class: "items" });
    const more = h("button", { type: "button", hidden: true }, "More");
    const refresh = async () => {
        const d = await getJson(path(name));
        facts.replaceChildren(...[`${number(d.items)} photos`, `${number(d.captions)} captions`, `made ${when(d.created)}`].map((t) => h("span", {}, t)));
        const put = (...items) => refill(list, ...items);
        await Promise.all([fillItems(list, more, name, path(name, `/items?limit=${PAGE}`), refresh, put), showList()]);
    };
    place.replaceChildren(h("h2", {}, name), facts, addForm(name, refresh), list, more);
    await refresh().catch((error) => showProblem(list, error));
}

export function init() {
    $("dataset-new").addEventListener("submit", create);
}

export const show = () => showList().catch((error) => showProblem($("dataset-list"), error));
