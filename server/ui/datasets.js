// datasets.js: photos and captions to learn from.
import { ask, getAll, getJson } from "./api.js";
import { $, attempt, confirm, h, number, showProblem, table, values, when } from "./dom.js";
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
    $("dataset-list").replaceChildren(datasets.length ? table("Stored on this machine", ["Name", "Photos", "Captions", "Encoded", "Change"], datasets.map(row))
        : h("p", { class: "empty" }, "There is none yet."));
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

async function upload(name, files, typed, progress) {
    const sheet = files.find((f) => !isPhoto(f)), known = sheet ? readTable(await sheet.text()) : {};
    const photos = files.filter(isPhoto);
    for (const [i, photo] of photos.entries()) {
        const captions = known[photo.name] || typed;
        if (!captions.length) throw Object.assign(new Error(`Write what ${photo.name} shows, or add a .tsv file that says it.`), { title: "A caption is missing." });
        const body = new FormData();
        body.append("image", photo);
        captions.forEach((caption) => body.append("caption", caption));
        await ask(path(name, "/items"), { method: "POST", body });
        progress(i + 1, photos.length);
    }
    return photos.length;
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
            if (!files.some(isPhoto)) throw Object.assign(new Error(""), { title: "Choose a photo first." });
            bar.hidden = false;
            const typed = text.value.split("\n").map((l) => l.trim()).filter(Boolean);
            const sent = await upload(name, files, typed, (i, n) => Object.assign(bar, { value: i, max: n }));
            files = [];
            text.value = "";
            chosen.textContent = `${sent} ${sent === 1 ? "photo is" : "photos are"} stored.`;
            await refresh();
        }).finally(() => (bar.hidden = true));
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

async function fillItems(list, more, name, from, refresh) {
    const page = await getJson(from);
    list.append(...page.items.map((item) => itemCard(name, item, refresh)));
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
        list.replaceChildren();
        await Promise.all([fillItems(list, more, name, path(name, `/items?limit=${PAGE}`), refresh), showList()]);
    };
    place.replaceChildren(h("h2", {}, name), facts, addForm(name, refresh), list, more);
    await refresh().catch((error) => showProblem(list, error));
}

export function init() {
    $("dataset-new").addEventListener("submit", create);
}

export const show = () => showList().catch((error) => showProblem($("dataset-list"), error));
