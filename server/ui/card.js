// card.js: a photo and its caption, to be read, put right, copied and taught.
import { hasRoute } from "./api.js";
import { attempt, copyText, facts, h, refill, showProblem } from "./dom.js";
import { asImage, captionOf, isUnsaved, isUnsure, textOf } from "./entries.js";
import { wordsOf } from "./words.js";

const TOLD_MS = 1500; // for which a button says that it has done its work

// What several captions are ordered by, if by anything: beams by probability for their length (REFERENCE.md).
const ORDERS = {
    beam: { says: "Best first, by log-probability for its length", of: (c, o) => c.logprob / ((6 + c.words) / 6) ** (o.length_penalty ?? 1.5) },
    sample: { says: "Drawn by chance, each with its log-probability", of: (c) => c.logprob },
    greedy: { says: "What the captioner says, with its log-probability", of: (c) => c.logprob },
};

function alternatives({ note }, choose) {
    const { captions, options } = note.result;
    if (captions.length < 2 && note.edited === null) return null;
    const { says, of } = ORDERS[options.decode ?? "greedy"];
    return h("div", {}, h("p", { class: "notice", "aria-hidden": "true" }, says), h("ol", { class: "alternatives", "aria-label": says }, captions.map((c, i) => h("li", {},
        h("button", { type: "button", "aria-pressed": String(note.edited === null && i === note.chosen), onclick: () => choose(i) }, c.text || "(no words)", " ",
            h("span", { class: "p" }, of(c, options).toFixed(2)))))));
}

const numbers = ({ model, timing }, caption) => facts([`confidence ${caption.confidence?.toFixed(2) ?? "–"}`, model, `log-probability ${caption.logprob.toFixed(2)}`,
    `${caption.words} words${caption.finished ? "" : ", cut"}`, `${timing.total_ms.toFixed(0)} ms`]);

function button(text, label, work) {
    const element = h("button", { type: "button", class: "quiet", "aria-label": label === text ? null : label }, text);
    element.addEventListener("click", () => work(element));
    return element;
}

// A button that says for a while what it has done.
function doing(text, label, fault, done, work) {
    return button(text, label, (element) => attempt(element, fault, async () => {
        await work();
        element.textContent = done;
        setTimeout(() => (element.textContent = text), TOLD_MS);
    }));
}

// deck: what the card asks of the panel: again(card), remove(card), save(card), changed(card) when its note is another
// one, unsureBelow(), dataset(), isBusy(card). Returns {entry, element, show()}: shows what the note says by now.
export function makeCard(entry, deck, open) {
    const { note } = entry, { name } = note;
    const photo = h("img", { src: URL.createObjectURL(entry.file), alt: name, decoding: "async" });
    const veil = h("canvas", { class: "veil", width: 224, height: 224, hidden: true, "aria-hidden": "true" });
    const fit = h("div", { class: "fit" }, photo, veil);
    const loaded = new Promise((done) => (photo.onload = photo.onerror = done));
    photo.addEventListener("error", () => fit.replaceChildren(h("p", { class: "notice" }, "This browser cannot show the photo; the daemon may read it all the same.")));

    const field = h("textarea", { class: "sentence", rows: 1, "aria-label": `Caption of ${name}`, placeholder: "Write a caption" });
    const pending = h("p", { class: "pending" }), badges = h("p", { class: "badges" }), fault = h("div", {}), said = h("div", { class: "said" });
    const decorative = h("input", { type: "checkbox", name: "decorative" });
    const inside = h("div", { class: "said" }), more = h("details", { class: "more", open }, h("summary", {}, "Words and alternatives"), inside);
    const again = button("Caption again", `Caption again: ${name}`, () => deck.again(card));
    const save = button("Save to dataset", `Save to dataset: ${name}`, (element) => attempt(element, fault, () => deck.save(card)));

    const change = (changes) => {
        Object.assign(note, changes);
        deck.changed(card);
    };
    const fitField = () => { // where the browser does not do it by itself
        if (CSS.supports("field-sizing", "content")) return;
        field.style.height = "auto";
        field.style.height = `${field.scrollHeight}px`;
    };
    const showText = () => {
        photo.alt = textOf(entry) || name;
        const unsure = isUnsure(entry, deck.unsureBelow());
        field.disabled = note.decorative;
        field.classList.toggle("unsure", unsure);
        badges.replaceChildren(...[unsure && h("span", { class: "badge warn" }, `unsure: ${Math.round(100 * captionOf(entry).confidence)} %`), note.edited !== null && h("span", { class: "badge" }, "edited"),
            note.decorative && h("span", { class: "badge" }, "decorative"), note.saved && !isUnsaved(entry, note.saved.dataset) && h("span", { class: "badge" }, `in ${note.saved.dataset}`)].filter(Boolean));
        save.hidden = !isUnsaved(entry, deck.dataset());
    };
    const fillMore = async () => {
        if (!more.open || !note.result) return;
        const [canExplain] = await Promise.all([hasRoute("POST /v1/saliency").catch(() => false), loaded]), caption = captionOf(entry);
        const shot = { file: entry.file, photo, model: note.result.model, kind: note.result.kind };
        refill(inside, ...[caption && wordsOf(caption, shot, veil, canExplain), alternatives(entry, (i) => {
            change({ chosen: i, edited: null });
            card.show();
        }), caption && numbers(note.result, caption)].filter(Boolean));
    };
    const card = {
        entry,
        show: () => {
            const waits = !note.result && !note.fault, busy = deck.isBusy(card);
            pending.textContent = busy ? "Looking …" : "Waiting …";
            pending.hidden = !waits || note.edited !== null || note.decorative;
            field.hidden = !pending.hidden;
            field.value = note.decorative ? "" : note.edited ?? captionOf(entry)?.text ?? "";
            decorative.checked = note.decorative;
            said.setAttribute("aria-busy", String(waits || busy));
            again.textContent = note.fault ? "Retry" : "Caption again";
            again.setAttribute("aria-label", `${again.textContent}: ${name}`);
            fault.replaceChildren();
            if (note.fault) showProblem(fault, note.fault);
            more.hidden = !note.result;
            veil.hidden = true;
            if (!note.result) inside.replaceChildren();
            showText();
            fitField();
            fillMore();
        },
        showText,
    };
    field.addEventListener("input", () => {
        const first = note.edited === null;
        change({ edited: field.value });
        fitField();
        if (first) fillMore(); // what the captioner said stays to be chosen
    });
    decorative.addEventListener("change", () => {
        change({ decorative: decorative.checked });
        card.show();
    });
    more.addEventListener("toggle", fillMore);
    said.append(field, pending, badges, fault, more);
    card.element = h("article", { class: "card", "aria-label": name }, h("div", { class: "stage" }, fit),
        h("div", { class: "telling" }, h("h2", { class: "file" }, name), said,
            h("div", { class: "actions" },
                doing("Copy", `Copy the caption of ${name}`, fault, "Copied", () => copyText(textOf(entry))),
                doing("Copy as <img alt>", `Copy as <img alt>: ${name}`, fault, "Copied", () => copyText(asImage(entry))),
                save, again, h("label", { class: "check" }, decorative, "Decorative"),
                button("Remove", `Remove ${name}`, () => deck.remove(card)))));
    return card;
}
