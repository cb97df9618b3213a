// models.js: the captioners: what they are, which is the default.
import { ask, download, getJson } from "./api.js";
import { $, attempt, confirm, h, number, refill, showProblem, table } from "./dom.js";

let models = [], broken = [];

export async function loadModels() {
    const answer = await getJson("/v1/models");
    ({ models, broken } = answer);
    return models;
}

// The model of that name; "": the default.
export const modelNamed = async (name) => (models.length ? models : await loadModels()).find((m) => (name ? m.name === name : m.default));

// Fills a <select>; what was chosen stays chosen. first: what the choice of none is called, given the default's name.
export async function fillModels(select, first) {
    const chosen = select.value;
    await loadModels();
    const none = h("option", { value: "" }, first(models.find((m) => m.default)?.name));
    select.replaceChildren(none, ...models.map((m) => h("option", { value: m.name }, m.name)));
    select.value = models.some((m) => m.name === chosen) ? chosen : "";
}

// ---- the panel -----------------------------------------------------------------------------------------------------

async function activate(model, button) {
    await attempt(button, $("model-fault"), async () => {
        await activateModel(model.name);
        await show();
        $("model-live").textContent = `${model.name} is the default now.`;
    });
}

async function remove(model, button) {
    if (!(await confirm(`Delete ${model.name}?`, "Its file is removed. This cannot be undone.", "Delete"))) return;
    await attempt(button, $("model-fault"), async () => {
        await ask(`/v1/models/${encodeURIComponent(model.name)}`, { method: "DELETE" });
        await show();
        $("model-live").textContent = `${model.name} is deleted.`;
    });
}

export const activateModel = (name) => ask(`/v1/models/${encodeURIComponent(name)}/activate`, { method: "POST" });

export const downloadModel = (name) => download(`/v1/models/${encodeURIComponent(name)}/file`, `${name}.safetensors`);

function changes(model) {
    const save = h("button", { type: "button", class: "quiet", "aria-label": `Download ${model.name}`, onclick: () => attempt(save, $("model-fault"), () => downloadModel(model.name)) }, "Download");
    if (model.default) return h("span", { class: "row" }, h("span", { class: "badge", tabindex: -1 }, "default"), save); // takes the focus of the button that it replaces
    const use = h("button", { type: "button", "aria-label": `Make default: ${model.name}`, onclick: () => activate(model, use) }, "Make default");
    const drop = h("button", { type: "button", class: "quiet", "aria-label": `Delete ${model.name}`, onclick: () => remove(model, drop) }, "Delete");
    return h("span", { class: "row" }, use, save, model.trained ? drop : "");
}

function row(m) {
    const score = (x) => (x === undefined ? "–" : x.toFixed(3));
    return [{ head: m.name }, m.kind, number(m.vocabulary_size), number(m.hidden_size), score(m.scores.cider), score(m.scores.bleu_4),
        score(m.scores.rouge_l), m.trained ? "trained here" : "shipped", h("code", { title: m.sha256 }, m.sha256.slice(0, 10)), changes(m)];
}

export function init() {
    $("model-list").before(h("h2", {}, "Models"), h("p", { class: "lead" }, "The default writes the captions that name no model. Requests under way finish on the one they began with."),
        h("p", { id: "model-live", class: "notice", "aria-live": "polite" }), h("div", { id: "model-fault" }));
}

export async function show() {
    $("model-fault").replaceChildren();
    $("model-live").textContent = "";
    try {
        await loadModels();
        refill($("model-list"), table("Captioners, with their scores on the photos held back from training",
            ["Name", "Kind", "Words", "Hidden", "CIDEr", "BLEU-4", "ROUGE-L", "Origin", "SHA-256", "Default"], models.map(row)));
        $("model-fault").replaceChildren(...broken.map((b) => h("p", { class: "notice" }, `${b.name} cannot be used: ${b.reason}`)));
    } catch (error) {
        showProblem($("model-list"), error);
    }
}
