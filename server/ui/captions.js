// captions.js: photos in, captions out, with the words' probabilities.
import { getJson, hasRoute } from "./api.js";
import { $, h, refill, showFor, showProblem, values } from "./dom.js";
import { fillModels, modelNamed } from "./models.js";
import { photoPlace } from "./photos.js";
import { wordsOf } from "./words.js";

const AT_ONCE = 2; // requests; the daemon's own queue takes turns anyway
const waiting = [], refused = new Set(); // cards that a key is missing for
let busy = 0;

function next() {
    if (busy >= AT_ONCE || !waiting.length) return;
    busy++;
    waiting.shift()().finally(() => {
        busy--;
        next();
    });
    next();
}

async function askCaption(file) {
    const options = values($("caption-options"));
    const model = await modelNamed(options.model);
    const query = { ...options, logprobs: true };
    if (query.decode === "greedy") delete query.decode; // the usual
    if (model?.kind === "attention") query.attention = true;
    const answer = await getJson("/v1/caption", { method: "POST", query, body: file, headers: { "Content-Type": file.type } });
    return { answer, kind: model?.kind, options };
}

// ---- a card: a photo and what was said of it -------------------------------------------------------------------------

function facts(answer, caption) {
    const { timing } = answer;
    return h("p", { class: "facts" }, [`${answer.model}`, `log-probability ${caption.logprob.toFixed(2)}`,
        `${caption.words} words${caption.finished ? "" : ", cut"}`, `${timing.total_ms.toFixed(0)} ms`].map((t) => h("span", {}, t)));
}

// What several captions are ordered by, if by anything: beams by probability for their length (REFERENCE.md).
const ORDERS = {
    beam: { says: "Best first, by log-probability for its length", of: (c, o) => c.logprob / ((6 + c.words) / 6) ** (o.length_penalty ?? 1.5) },
    sample: { says: "Drawn by chance, each with its log-probability", of: (c) => c.logprob },
};

function alternatives(captions, chosen, options, choose) {
    if (captions.length < 2) return null;
    const { says, of } = ORDERS[options.decode];
    return h("div", {}, h("p", { class: "notice", "aria-hidden": "true" }, says), h("ol", { class: "alternatives", "aria-label": says }, captions.map((c) => h("li", {},
        h("button", { type: "button", "aria-pressed": String(c === chosen), onclick: () => choose(c) }, c.text, " ",
            h("span", { class: "p" }, of(c, options).toFixed(2)))))));
}

function fillCard(card, { answer, kind, options }, canExplain) {
    const [best] = answer.captions, captions = [best, ...(best.alternatives || answer.alternatives || [])];
    const shot = { file: card.file, photo: card.photo, model: answer.model, kind };
    const choose = (caption) => {
        card.photo.alt = caption.text;
        refill(card.said, h("p", { class: "sentence" }, caption.text || "(no words)"),
            ...[wordsOf(caption, shot, card.veil, canExplain), alternatives(captions, caption, options, choose), facts(answer, caption)].filter(Boolean));
    };
    choose(best);
    $("captions-live").textContent = `${card.file.name}: ${best.text}`;
}

function captionCard(card) {
    refused.delete(card);
    card.said.setAttribute("aria-busy", "true");
    card.said.replaceChildren(h("p", { class: "sentence pending" }, "Looking …"));
    waiting.push(async () => {
        try {
            const [result, canExplain] = await Promise.all([askCaption(card.file), hasRoute("POST /v1/saliency"), card.loaded]);
            fillCard(card, result, canExplain);
        } catch (error) {
            card.veil.hidden = true;
            if (error.status === 401) refused.add(card);
            showProblem(card.said, error);
        }
        card.said.setAttribute("aria-busy", "false");
    });
    next();
}

function addCard(file) {
    const photo = h("img", { src: URL.createObjectURL(file), alt: file.name });
    const veil = h("canvas", { class: "veil", width: 224, height: 224, hidden: true, "aria-hidden": "true" });
    const loaded = new Promise((done) => (photo.onload = photo.onerror = done));
    const card = { file, photo, loaded, veil, said: h("div", { class: "said" }) };
    const remove = () => {
        URL.revokeObjectURL(photo.src);
        element.remove();
        document.querySelector("[data-photos=captions] input").focus();
    };
    const element = h("article", { class: "card", "aria-label": file.name }, h("div", { class: "stage" }, h("div", { class: "fit" }, photo, veil)),
        h("div", { class: "telling" }, card.said, h("p", { class: "actions" },
            h("button", { type: "button", class: "quiet", onclick: () => captionCard(card) }, "Caption again"),
            h("button", { type: "button", class: "quiet", "aria-label": `Remove ${file.name}`, onclick: remove }, "Remove"))));
    $("caption-list").prepend(element);
    captionCard(card);
}

// ---- the panel -----------------------------------------------------------------------------------------------------

export function init() {
    const form = $("caption-options"), decode = form.elements.decode;
    form.addEventListener("submit", (event) => event.preventDefault());
    decode.addEventListener("change", () => showFor(form, decode.value));
    showFor(form, decode.value);
    photoPlace(document.querySelector("[data-photos=captions]"), (files) => files.forEach(addCard), { multiple: true });
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
    [...refused].filter((card) => card.said.isConnected).forEach(captionCard);
}
