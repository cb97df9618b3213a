// training.js: start trainings, which wait for each other, list them, watch one: #/training/12 in the address.
import { follow, getAll, getJson } from "./api.js";
import { loadDatasets } from "./datasets.js";
import { $, attempt, h, number, refill, showFor, showProblem, table, values, when } from "./dom.js";
import { loadModels } from "./models.js";
import { OPEN, trainingView } from "./training_view.js";

const SCRATCH = "*"; // what the choice of no base is called: no model's name
const TEXT = ["dataset", "model", "base", "kind"];
let watching = new AbortController(), watched = 0;

// ---- starting ------------------------------------------------------------------------------------------------------

async function start(event) {
    event.preventDefault();
    const form = event.target, fault = $("train-fault"), told = $("train-told");
    const fields = Object.entries(values(form)).map(([name, text]) => [name, TEXT.includes(name) ? text : Number(text)]);
    fault.replaceChildren();
    await attempt(form.querySelector("button"), fault, async () => {
        const json = Object.fromEntries(fields);
        if (json.base === SCRATCH) Object.assign(json, { base: undefined, from_scratch: true });
        const job = await getJson("/v1/train", { method: "POST", json });
        form.elements.model.value = "";
        told.replaceChildren(h("a", { href: `#/training/${job.id}` }, `Training ${job.id} of ${job.request.model}`), " is queued. You may queue another one.");
        location.hash = `/training/${job.id}`;
        await watch(job.id);
    });
}

// ---- the jobs ------------------------------------------------------------------------------------------------------

function jobRow(job) {
    const open = h("a", { href: `#/training/${job.id}` }, job.model ?? `Training ${job.id}`);
    return [{ head: open }, number(job.id), h("span", { class: `state ${job.state}` }, job.state), when(job.created)];
}

async function showJobs() {
    const jobs = await getAll("/v1/jobs?limit=100", "jobs", { most: 50, wanted: (job) => job.kind === "train" });
    refill($("job-list"), jobs.length ? table("Trainings, newest first", ["Model", "Job", "State", "Created"], jobs.map(jobRow)) : h("p", { class: "empty" }, "No trainings yet."));
}

async function watch(id) {
    if (id === watched && !watching.signal.aborted) return;
    watching.abort();
    const mine = watching = new AbortController(), place = $("job-open");
    watched = id;
    try {
        const job = await getJson(`/v1/jobs/${id}`), view = trainingView(job);
        const reload = async () => mine.signal.aborted || view.tellAll(await getJson(`/v1/jobs/${id}`));
        if (mine.signal.aborted) return;
        place.replaceChildren(...view.element);
        view.tellAll(job);
        showJobs().catch(() => 0);
        if (!OPEN.includes(job.state)) return;
        await follow(id, (type, data) => {
            if (type === "progress") view.tellProgress(data);
            else if (type === "state") view.tellState(data.state);
            else reload().catch(() => 0);
        }, mine.signal);
        await reload();
        await showJobs();
    } catch (error) {
        if (mine.signal.aborted) return;
        watching.abort(); // so that another look asks anew
        showProblem(place, error);
    }
}

// ---- the panel -----------------------------------------------------------------------------------------------------

const form = () => $("train-form");
const decided = () => showFor(form(), form().elements.base.value === SCRATCH ? "scratch" : "base");

export function init() {
    form().addEventListener("submit", start);
    form().append(h("p", { id: "train-told", class: "notice", role: "status" }), h("div", { id: "train-fault" }));
    form().elements.base.addEventListener("change", decided);
    form().elements.dataset.append(h("option", { value: "" }, "–"));
}

async function fillDatasets(wanted) {
    const select = form().elements.dataset, chosen = wanted || select.value, datasets = await loadDatasets();
    select.replaceChildren(...(datasets.length ? datasets.map((d) => h("option", { value: d.name }, `${d.name} (${number(d.items)} photos)`)) : [h("option", { value: "" }, "make one first")]));
    if (datasets.some((d) => d.name === chosen)) select.value = chosen;
}

// The default captioner first: what is taught rarely begins from nothing.
async function fillBases() {
    const select = form().elements.base, chosen = select.options.length ? select.value : null, models = await loadModels();
    const usual = models.find((m) => m.default), others = models.filter((m) => m !== usual);
    select.replaceChildren(...(usual ? [h("option", { value: usual.name }, `${usual.name}, the default`)] : []), ...others.map((m) => h("option", { value: m.name }, m.name)),
        h("option", { value: SCRATCH }, "nothing: from scratch, with thousands of captions"));
    select.value = [...select.options].some((o) => o.value === chosen) ? chosen : usual?.name ?? SCRATCH;
    decided();
    return models;
}

// For who comes from the workbench: all is filled in but the last press.
function prepare(dataset, models) {
    const base = models.find((m) => m.default)?.name ?? SCRATCH, start = `${base === SCRATCH ? "new" : base}-${dataset}`.slice(0, 60), taken = new Set(models.map((m) => m.name));
    let name = start;
    for (let i = 2; taken.has(name); i++) name = `${start}-${i}`;
    Object.assign(form().elements.base, { value: base });
    form().elements.model.value = name;
    decided();
    form().querySelector("button.primary").focus();
}

// rest: "12", a job; "dataset=pets", to be learnt from.
export function show(rest = "") {
    const dataset = new URLSearchParams(/=/.test(rest) ? rest : "").get("dataset");
    Promise.all([fillDatasets(dataset), fillBases(), showJobs()]).then(([, models]) => dataset && prepare(dataset, models))
        .catch((error) => showProblem($("job-list"), error));
    if (/^\d+$/.test(rest)) watch(Number(rest));
}
