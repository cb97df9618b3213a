// training.js: start a training and watch it learn: loss, scores, sample captions, as they come.
import { ask, follow, getAll, getJson } from "./api.js";
import { curve } from "./curve.js";
import { loadDatasets } from "./datasets.js";
import { $, attempt, duration, h, number, refill, showProblem, table, values, when } from "./dom.js";
import { fillModels } from "./models.js";

const OPEN = ["queued", "running"];
const SCRATCH = "*"; // what the choice of no base is called: no model's name
const TEXT = ["dataset", "model", "base", "kind"];
let watching = new AbortController();

// ---- starting ------------------------------------------------------------------------------------------------------

async function start(event) {
    event.preventDefault();
    const form = event.target, fault = $("train-fault");
    const fields = Object.entries(values(form)).map(([name, text]) => [name, TEXT.includes(name) ? text : Number(text)]);
    fault.replaceChildren();
    await attempt(form.querySelector("button"), fault, async () => {
        const json = Object.fromEntries(fields);
        if (json.base === SCRATCH) Object.assign(json, { base: undefined, from_scratch: true });
        const job = await getJson("/v1/train", { method: "POST", json });
        form.elements.model.value = "";
        await watch(job.id);
    });
}

// ---- the jobs ------------------------------------------------------------------------------------------------------

function jobRow(job) {
    const open = h("button", { type: "button", class: "link", onclick: () => watch(job.id) }, `Training ${job.id}`);
    return [{ head: open }, h("span", { class: `state ${job.state}` }, job.state), when(job.created)];
}

async function showJobs() {
    const jobs = await getAll("/v1/jobs?limit=100", "jobs", { most: 50, wanted: (job) => job.kind === "train" });
    refill($("job-list"), jobs.length ? table("Trainings, newest first", ["Job", "State", "Created"], jobs.map(jobRow)) : h("p", { class: "empty" }, "There is none yet."));
}

// ---- one training --------------------------------------------------------------------------------------------------

function scoreRow(s) {
    return [{ head: s.epoch }, s.cider.toFixed(3), s.bleu_4.toFixed(3), s.rouge_l.toFixed(3), s.best ? "best" : ""];
}

function sampleList(samples) {
    return [h("h3", {}, "What it says by now"), h("ul", { class: "samples" }, samples.map((s) => h("li", {}, h("p", { class: "sentence" }, s.caption || "…"), h("p", { class: "facts" }, h("span", {}, `you wrote: ${s.reference}`)))))];
}

// The view of a job: its elements, and what to do with each piece of news.
function jobView(job) {
    const chart = curve({ title: `Loss of ${job.request.model}`, x: "batches", y: "loss" }), points = [];
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Progress" }), state = h("span", { class: "state" });
    const facts = h("p", { class: "facts" }), live = h("p", { class: "visually-hidden", "aria-live": "polite" }), fault = h("div", {});
    const scores = h("div", {}), samples = h("div", {});
    const cancel = h("button", { type: "button", onclick: () => attempt(cancel, fault, () => ask(`/v1/jobs/${job.id}`, { method: "DELETE" })) }, "Cancel");
    const tellState = (name) => {
        state.textContent = name;
        state.className = `state ${name}`;
        cancel.hidden = !OPEN.includes(name);
        live.textContent = `Training of ${job.request.model}: ${name}`;
    };
    const tellProgress = (p) => {
        const done = p.stage === "features" ? p.images : p.iteration, all = p.stage === "features" ? p.images_in_all : p.iterations;
        Object.assign(bar, { max: all || 1, value: done || 0 });
        if (p.loss && p.iteration > (points.at(-1)?.[0] || 0)) {
            points.push([p.iteration, p.loss]);
            chart.draw(points);
        }
        facts.replaceChildren(...(p.stage === "features" ? [`looking at photo ${number(p.images)} of ${number(p.images_in_all)}`]
            : [`epoch ${p.epoch} of ${p.epochs}`, `loss ${p.loss?.toFixed(3)}`, `${number(p.captions_per_second)} captions/s`, !cancel.hidden && p.seconds_left > 0 && `${duration(p.seconds_left)} left`])
            .filter(Boolean).map((t) => h("span", {}, t)));
    };
    const tellScores = (p) => {
        if (p.dev_scores?.length) scores.replaceChildren(table("Scores on the photos held back", ["Epoch", "CIDEr", "BLEU-4", "ROUGE-L", "Kept"], p.dev_scores.slice(-10).reverse().map(scoreRow)));
        if (p.samples?.length) samples.replaceChildren(...sampleList(p.samples));
    };
    const tellAll = (whole) => {
        tellState(whole.state);
        if (whole.error) showProblem(fault, { title: "The training failed.", message: whole.error });
        if (!whole.progress) return;
        points.splice(0, points.length, ...(whole.progress.loss_history || []));
        chart.draw(points);
        tellProgress(whole.progress);
        if (whole.state === "succeeded") bar.value = bar.max;
        tellScores(whole.progress);
    };
    const element = [h("h2", {}, job.request.model, " ", state), facts, bar, chart.element, h("p", { class: "actions" }, cancel), fault, live, samples, scores];
    return { element, tellAll, tellState, tellProgress };
}

async function watch(id) {
    watching.abort();
    const mine = watching = new AbortController(), place = $("job-open");
    try {
        const job = await getJson(`/v1/jobs/${id}`), view = jobView(job);
        const reload = async () => mine.signal.aborted || view.tellAll(await getJson(`/v1/jobs/${id}`));
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
        if (!mine.signal.aborted) showProblem(place, error);
    }
}

// ---- the panel -----------------------------------------------------------------------------------------------------

export function init() {
    const form = $("train-form"), { base, dataset } = form.elements;
    form.addEventListener("submit", start);
    form.append(h("div", { id: "train-fault" }));
    const decided = () => form.querySelectorAll("[data-new]").forEach((e) => (e.hidden = base.value !== SCRATCH));
    base.addEventListener("change", decided);
    dataset.append(h("option", { value: "" }, "–"));
}

async function fillDatasets() {
    const select = $("train-form").elements.dataset, chosen = select.value, datasets = await loadDatasets();
    select.replaceChildren(...(datasets.length ? datasets.map((d) => h("option", { value: d.name }, `${d.name} (${number(d.items)} photos)`)) : [h("option", { value: "" }, "make one first")]));
    if (datasets.some((d) => d.name === chosen)) select.value = chosen;
}

async function fillBases() {
    const select = $("train-form").elements.base, scratch = select.value === SCRATCH;
    await fillModels(select, (name) => `the default${name ? ` (${name})` : ""}`);
    select.append(h("option", { value: SCRATCH }, "nothing: from scratch, with thousands of captions"));
    if (scratch) select.value = SCRATCH;
}

export function show() {
    Promise.all([fillDatasets(), fillBases(), showJobs()])
        .catch((error) => showProblem($("job-list"), error));
}
