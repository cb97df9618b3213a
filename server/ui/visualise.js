// visualise.js: five views into the network: saliency at once, the others as jobs with pictures on the way.
import { ask, follow, getJson, getPicture, hasRoute } from "./api.js";
import { sendPhoto } from "./convert.js";
import { curve } from "./curve.js";
import { $, attempt, h, showFor, showProblem, values } from "./dom.js";
import { photoPlace } from "./photos.js";

const SAYS = {
    saliency: "Bright pixels decide: the class’s score changes most with them.",
    fool: "To us the same photo, to the network another class.",
    visualize: "Climbed from noise: what the network takes for the class.",
    invert: "Rebuilt from a layer alone: what that layer still knows of the photo.",
    dream: "The photo, with more of what the layer sees in it.",
};
const PICTURES = { result: "The result", difference: "What was changed, magnified", original: "The photo" };
let photo = null;

const form = () => $("visualise-form");
const place = () => $("visualise-result");

// name: of the file that it may be downloaded as, if at all.
function frame(alt, caption, large, name) {
    const image = h("img", { alt, hidden: true }), link = name && h("a", { download: name, hidden: true }, `Download ${name}`);
    const element = h("figure", { class: large ? "picture square" : "picture" }, h("div", { class: "frame" }, image), h("figcaption", {}, caption, " ", link));
    let asked = 0;
    const put = async (path, options) => { // answers may come in another order: the picture asked for last stays
        const mine = ++asked, url = await getPicture(path, options);
        if (mine < asked) {
            URL.revokeObjectURL(url);
            return;
        }
        if (image.src) URL.revokeObjectURL(image.src);
        image.src = url;
        image.hidden = false;
        if (link) Object.assign(link, { href: url, hidden: false });
        await image.decode().catch(() => 0); // rejected where the next one came first
    };
    return { element, put, image };
}

const photoFrame = () => {
    const own = frame("The photo", "The photo");
    own.image.src = URL.createObjectURL(photo);
    own.image.hidden = false;
    own.image.addEventListener("load", () => place().style.setProperty("--ratio", own.image.naturalWidth / own.image.naturalHeight));
    return own.element;
};

// ---- saliency ------------------------------------------------------------------------------------------------------

async function showSaliency(fields) {
    const query = { method: fields.method, ...(fields.class ? { class: fields.class } : {}) };
    const options = (body) => ({ method: "POST", body, headers: { "Content-Type": body.type || "application/octet-stream" } });
    const { answer: report, sent } = await sendPhoto(photo, (body) => getJson("/v1/saliency", { ...options(body), query: { ...query, size: 7 } }));
    const map = frame(`Saliency of ${report.target.label}`, SAYS.saliency, false, "saliency.png");
    await map.put("/v1/saliency", { ...options(sent), query: { ...query, view: "overlay" } });
    place().replaceChildren(h("h2", {}, report.target.label || `class ${report.target.class}`),
        h("p", { class: "facts" }, h("span", {}, `score ${report.target.score.toFixed(2)}`), h("span", {}, report.method)),
        h("div", { class: "pictures" }, photoFrame(), map.element));
}

// ---- the jobs --------------------------------------------------------------------------------------------------------

function body(fields, image) {
    const { kind, method, ...options } = fields, data = new FormData();
    if (image) data.append("image", image);
    for (const [name, value] of Object.entries(options)) data.append(name, value);
    return data;
}

// A number, yes or no, or a class with its scores before and after.
const plain = (v) => (typeof v === "number" ? Number(v.toPrecision(5)) : typeof v === "boolean" ? (v ? "yes" : "no")
    : v?.label ? `${v.label}${v.after === undefined ? "" : `, score ${plain(v.before)} → ${plain(v.after)}`}` : v);

function numbers(result) {
    const rows = Object.entries(result).filter(([, v]) => typeof v !== "object" || v?.label);
    return h("dl", { class: "numbers" }, rows.map(([name, v]) => h("div", {}, h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, plain(v)))));
}

async function showResult(kind, job, view) {
    if (job.state === "failed") throw Object.assign(new Error(job.error), { title: "It failed." });
    view.state.textContent = job.state;
    view.state.className = `state ${job.state}`;
    if (job.state !== "succeeded") return;
    view.bar.value = view.bar.max;
    const { pictures, ...rest } = job.result;
    const frames = Object.entries(pictures).map(([name, path]) => {
        const f = frame(`${PICTURES[name] || name}`, name === "result" ? SAYS[kind] : PICTURES[name] || name, kind === "visualize", `${kind}-${name}.png`);
        return f.put(path).then(() => f.element);
    });
    view.pictures.replaceChildren(...(kind === "visualize" ? [] : [photoFrame()]), ...(await Promise.all(frames)));
    view.numbers.replaceChildren(numbers(rest));
}

function jobView(kind, title) {
    const state = h("span", { class: "state queued" }, "queued"), bar = h("progress", { max: 1, value: 0, "aria-label": "Progress" });
    const facts = h("p", { class: "facts", "aria-live": "off" }), preview = frame("The picture so far", "So far", kind === "visualize");
    const pictures = h("div", { class: "pictures" }, kind === "visualize" ? null : photoFrame(), preview.element);
    const chart = curve({ title: "Course", x: "steps", y: "value" }), points = [], numbersPlace = h("div", {});
    const live = h("p", { class: "visually-hidden", "aria-live": "polite" });
    place().replaceChildren(h("h2", {}, title, " ", state), facts, bar, pictures, numbersPlace, chart.element, live);
    let shown = "", showing = null;
    const tell = (p) => {
        Object.assign(bar, { max: p.steps || 1, value: p.step || 0 });
        state.textContent = "running";
        state.className = "state running";
        const name = ["score", "loss", "activation"].find((n) => p[n] !== undefined);
        facts.replaceChildren(...[p.stage, `step ${p.step} of ${p.steps}`, name && `${name} ${plain(p[name])}`].filter(Boolean).map((t) => h("span", {}, t)));
        if (p.history) points.splice(0, points.length, ...p.history);
        else if (name && p.step > (points.at(-1)?.[0] ?? -1)) points.push([p.step, p[name]]);
        chart.draw(points);
        if (p.preview && p.preview !== shown) showing = preview.put(shown = p.preview).catch(() => 0);
    };
    return { state, bar, pictures, numbers: numbersPlace, tell, live, previewed: () => showing };
}

async function runJob(fields) {
    const { kind } = fields, titles = { fool: "Fooling image", visualize: "Class image", invert: "Inversion", dream: "Deep dream" };
    const begin = async (image) => (await ask(`/v1/${kind}`, { method: "POST", body: body(fields, image) })).json();
    const job = kind === "visualize" ? await begin(null) : (await sendPhoto(photo, begin)).answer;
    const view = jobView(kind, titles[kind]), cancel = $("visualise-cancel");
    cancel.hidden = false;
    cancel.onclick = () => ask(`/v1/jobs/${job.id}`, { method: "DELETE" }).catch(() => 0);
    try {
        await follow(job.id, (type, data) => type === "progress" && view.tell(data));
        const whole = await getJson(`/v1/jobs/${job.id}`);
        if (whole.progress) view.tell(whole.progress);
        await view.previewed();
        await showResult(kind, whole, view);
        view.live.textContent = `${titles[kind]}: ${whole.state}`;
    } finally {
        cancel.hidden = true;
    }
}

// ---- the panel -----------------------------------------------------------------------------------------------------

async function run(event) {
    event.preventDefault();
    const fields = values(form());
    await attempt(form().querySelector("button.primary"), place(), () => {
        if (fields.kind !== "visualize" && !photo) throw Object.assign(new Error(""), { title: "Choose a photo first." });
        return fields.kind === "saliency" ? showSaliency(fields) : runJob(fields);
    });
}

export function init() {
    const choose = () => {
        const { kind } = form().elements;
        showFor(form(), kind.value);
        form().elements.class.placeholder = kind.value === "saliency" ? "likeliest" : "as “tabby” or 281";
        form().elements.class.required = ["fool", "visualize"].includes(kind.value);
    };
    form().addEventListener("change", choose);
    form().addEventListener("submit", run);
    const names = ["", "shallow", "middle", "deep", "stem", ...Array.from({ length: 16 }, (_, i) => `${i + 1}`), "head"];
    form().elements.layer.append(...names.map((n) => h("option", { value: n }, n === "" ? "default" : Number(n) ? `block ${n}` : n)));
    const drop = document.querySelector("[data-photos=visualise]");
    photoPlace(drop, ([file]) => {
        photo = file;
        drop.querySelector("b").textContent = file.name;
    });
    choose();
}

export async function show() {
    for (const input of form().querySelectorAll("[name=kind]")) {
        input.disabled = !(await hasRoute(`POST /v1/${input.value}`).catch(() => true));
    }
    const any = form().querySelector("[name=kind]:not(:disabled)");
    if (!any) showProblem(place(), { title: "This daemon has no visualisations.", message: "A newer version of captiond does." });
}
