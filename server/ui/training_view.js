// training_view.js: one training as it runs and when it has ended: loss and score, what it says of which photos, whether
// it is better than what it went on from, and why it stopped.
import { ask, getAll } from "./api.js";
import { curve } from "./curve.js";
import { attempt, duration, facts, h, number, showProblem, table } from "./dom.js";
import { activateModel, downloadModel } from "./models.js";

export const OPEN = ["queued", "running"];

// Epoch 0 is what the training went on from, scored on the same photos.
const baseOf = (scores) => scores.find((s) => s.epoch === 0) ?? null;
const bestOf = (scores) => scores.filter((s) => s.best).at(-1) ?? null;
const learnt = (scores) => scores.filter((s) => s.epoch > 0);

// ---- scores --------------------------------------------------------------------------------------------------------

function scoreRow(s) {
    return [{ head: s.epoch === 0 ? "base" : s.epoch }, s.cider.toFixed(3), s.bleu_4.toFixed(3), s.rouge_l.toFixed(3), s.best ? "best" : ""];
}

// "CIDEr 0.412, the base's 0.380": and what follows from it.
function verdict(job, scores) {
    const base = baseOf(scores), best = bestOf(learnt(scores)), from = job.request.base;
    if (!best && !base) return "No photos were held back, so it has no score: look at what it says before you activate it.";
    if (!base) return `CIDEr ${best.cider.toFixed(3)} on the photos held back.`;
    if (!best || best.cider <= base.cider) return `No epoch was better than ${from}, CIDEr ${base.cider.toFixed(3)}: the new model is ${from} as it was.`;
    return `CIDEr ${best.cider.toFixed(3)}, that of ${from} ${base.cider.toFixed(3)}: better by ${(best.cider - base.cider).toFixed(3)} on the photos held back.`;
}

// What may be done with the model of a training that has succeeded.
function offer(job, scores, fault) {
    const { model } = job.request, told = h("p", { role: "status" }, verdict(job, scores));
    const use = h("button", { type: "button", class: "primary" }, `Activate ${model}`), save = h("button", { type: "button" }, "Download the model");
    use.addEventListener("click", () => attempt(use, fault, async () => {
        await activateModel(model);
        told.replaceChildren(h("b", {}, `${model} is the default now. `), h("a", { href: "#/captions" }, "Caption with it"));
        use.remove();
    }));
    save.addEventListener("click", () => attempt(save, fault, () => downloadModel(model)));
    return h("div", { class: "offer" }, told, h("p", { class: "actions" }, use, save));
}

// ---- samples -------------------------------------------------------------------------------------------------------

// The address of a stored dataset's photo by the photo's hash, which is what a sample knows; of a directory there is none.
const known = new Map();
async function photoOf(dataset, sha256) {
    if (typeof dataset !== "string") return null;
    const path = `/v1/datasets/${encodeURIComponent(dataset)}/items`;
    if (!known.has(sha256)) for (const item of await getAll(`${path}?limit=500`, "items", { most: 20000 })) known.set(item.sha256, item.id);
    return known.has(sha256) ? `${path}/${known.get(sha256)}/image` : null;
}

async function loadPhoto(image, dataset, sha256) {
    const path = await photoOf(dataset, sha256);
    if (!path) return;
    image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    image.src = URL.createObjectURL(await (await ask(path)).blob());
    image.hidden = false;
}

// The list of samples; photos that are shown already stay.
function sampleList(dataset) {
    const heading = h("h3", {}, "Sample captions"), list = h("ul", { class: "samples" }), shown = new Map();
    const one = (s) => {
        if (!shown.has(s.image)) {
            const image = h("img", { alt: "", hidden: true });
            loadPhoto(image, dataset, s.image).catch(() => 0); // it may be gone: the captions say enough
            shown.set(s.image, image);
        }
        return h("li", {}, shown.get(s.image), h("div", {}, h("p", { class: "sentence" }, s.caption || "…"), h("p", { class: "facts" }, h("span", {}, `you wrote: ${s.reference}`))));
    };
    const tell = (samples) => {
        heading.hidden = !samples.length;
        list.replaceChildren(...samples.map(one));
    };
    tell([]);
    return { element: h("div", {}, heading, list), tell };
}

// ---- the whole -----------------------------------------------------------------------------------------------------

function progressFacts(p, running) {
    if (p.stage === "features") return [`looking at photo ${number(p.images)} of ${number(p.images_in_all)}`];
    return [`epoch ${p.epoch} of ${p.epochs}`, p.loss !== undefined && `loss ${p.loss.toFixed(3)}`, `${number(p.captions_per_second)} captions/s`, running && p.seconds_left > 0 && `${duration(p.seconds_left)} left`];
}

// The view of a job: its elements, and what to do with each piece of news.
export function trainingView(job) {
    const { model, dataset, base } = job.request, points = [];
    const loss = curve({ title: `Loss of ${model}`, x: "batches", y: "loss" }), score = curve({ title: `CIDEr of ${model}`, x: "epochs", y: "CIDEr", base: base || "base" });
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Progress" }), state = h("span", { class: "state" });
    const now = h("div", {}), why = h("p", { class: "notice" }), end = h("div", {}), live = h("p", { class: "visually-hidden", "aria-live": "polite" }), fault = h("div", {});
    const scores = h("div", {}), samples = sampleList(dataset), scorePlace = h("div", { hidden: true }, score.element);
    const cancel = h("button", { type: "button", onclick: () => attempt(cancel, fault, () => ask(`/v1/jobs/${job.id}`, { method: "DELETE" })) }, "Cancel");
    const tellState = (name) => {
        state.textContent = name;
        state.className = `state ${name}`;
        cancel.hidden = !OPEN.includes(name);
        live.textContent = `Training of ${model}: ${name}`;
    };
    const tellProgress = (p) => {
        const done = p.stage === "features" ? p.images : p.iteration, all = p.stage === "features" ? p.images_in_all : p.iterations;
        Object.assign(bar, { max: all || 1, value: done || 0 });
        if (p.loss && p.iteration > (points.at(-1)?.[0] || 0)) {
            points.push([p.iteration, p.loss]);
            loss.draw(points);
        }
        now.replaceChildren(facts(progressFacts(p, !cancel.hidden)));
    };
    const tellScores = (all) => {
        scorePlace.hidden = !all.length;
        score.draw(learnt(all).map((s) => [s.epoch, s.cider]), baseOf(all)?.cider);
        if (all.length) scores.replaceChildren(table("Scores on the photos held back", ["Epoch", "CIDEr", "BLEU-4", "ROUGE-L", "Kept"], all.slice(-10).reverse().map(scoreRow)));
    };
    const tellAll = (whole) => {
        const p = whole.progress;
        tellState(whole.state);
        if (whole.error) showProblem(fault, { title: "The training failed.", message: whole.error });
        if (p) {
            points.splice(0, points.length, ...(p.loss_history || []));
            loss.draw(points);
            tellProgress(p);
            tellScores(p.dev_scores || []);
            samples.tell(p.samples || []);
            why.textContent = p.ended ? `It stopped: ${p.ended}.` : "";
        }
        if (whole.state !== "succeeded") return;
        bar.value = bar.max;
        if (!end.children.length) end.append(offer(whole, p?.dev_scores || [], fault));
    };
    const from = facts([base ? `goes on from ${base}` : "from random weights", typeof dataset === "string" && `learns from ${dataset}`]);
    const element = [h("h2", {}, model, " ", state), from, now, bar, why, end, h("div", { class: "charts" }, loss.element, scorePlace), h("p", { class: "actions" }, cancel), fault, live, samples.element, scores];
    return { element, tellAll, tellState, tellProgress };
}
