// words.js: a caption's words as buttons, shaded by probability. Choosing one shows where the model looked when it
// wrote it (attention, 7x7) and which pixels made it write it (saliency).
import { getPicture } from "./api.js";
import { sendPhoto } from "./convert.js";
import { h, percent, showProblem } from "./dom.js";

const METHODS = { gradient: "Gradient", smoothgrad: "SmoothGrad", gradcam: "Grad-CAM" };

// ---- attention -----------------------------------------------------------------------------------------------------

// Covers the canvas with a veil that is lifted where the weights are high; `photo`, if given, is painted below.
function paintAttention(canvas, weights, photo) {
    const n = weights.length, most = Math.max(...weights.flat());
    const cells = new ImageData(n, n);
    weights.flat().forEach((w, i) => cells.data.set([8, 12, 16, Math.round(205 * (1 - w / most))], 4 * i));
    const small = new OffscreenCanvas(n, n), pen = canvas.getContext("2d");
    small.getContext("2d").putImageData(cells, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (photo) pen.drawImage(photo, 0, 0, canvas.width, canvas.height);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
}

const place = (i, n) => ["top", "middle", "bottom"][Math.min(2, Math.floor((3 * i) / n))];
const side = (i, n) => ["left", "centre", "right"][Math.min(2, Math.floor((3 * i) / n))];

// The same for who cannot see it: "mostly the top left".
function describeAttention(weights) {
    const n = weights.length, all = weights.flat(), at = all.indexOf(Math.max(...all));
    return `looked mostly at the ${place(Math.floor(at / n), n)} ${side(at % n, n)} (${percent(all[at])} of its attention in one of ${n * n} places)`;
}

// ---- saliency ------------------------------------------------------------------------------------------------------

// The figure that shows it, asked for when `show(word)` is called: a word by its place in the caption as it is shown,
// whoever or whatever wrote that. shot: {file, model, ratio}.
function saliencyFigure(shot, caption) {
    const picture = h("img", { class: "map", alt: "", hidden: true }), fault = h("div", {});
    const choice = h("select", { "aria-label": "Method" }, Object.entries(METHODS).map(([value, text]) => h("option", { value }, text)));
    const note = h("figcaption", {}, "Why: the pixels that decide ", choice);
    const frame = h("div", { class: "frame" }, picture);
    let current, asking = new AbortController();
    const show = async (word) => {
        current = word;
        asking.abort();
        const mine = asking = new AbortController();
        frame.setAttribute("aria-busy", "true");
        fault.replaceChildren();
        try {
            const query = { caption, word: word.index, model: shot.model, method: choice.value, view: "overlay" };
            const { answer: url } = await sendPhoto(shot.file, (body) =>
                getPicture("/v1/saliency", { method: "POST", query, body, headers: { "Content-Type": body.type || "application/octet-stream" }, signal: mine.signal }));
            URL.revokeObjectURL(picture.src);
            picture.src = url;
            picture.alt = `${METHODS[choice.value]} saliency of “${word.text}”: bright pixels decide most`;
            picture.hidden = false;
        } catch (error) {
            if (error.name !== "AbortError") picture.hidden = true;
            showProblem(fault, error);
        }
        if (mine === asking) frame.setAttribute("aria-busy", "false");
    };
    choice.addEventListener("change", () => show(current));
    frame.style.aspectRatio = shot.ratio;
    return { figure: h("figure", { class: "why" }, frame, note, fault), show, stop: () => asking.abort() };
}

// ---- words ---------------------------------------------------------------------------------------------------------

function wordButton(token, index, photo) {
    const text = token.word === "<END>" ? "end" : token.word, p = Math.exp(token.logprob);
    const thumb = token.attention && photo.naturalWidth > 0 && h("canvas", { width: 96, height: Math.round(96 * photo.naturalHeight / photo.naturalWidth), "aria-hidden": "true" });
    if (thumb) paintAttention(thumb, token.attention, photo);
    const button = h("button", { type: "button", class: token.word === "<END>" ? "word end" : "word", "aria-pressed": "false" },
        thumb, h("span", { class: "spelt" }, text), h("span", { class: "p" }, percent(p)));
    button.style.setProperty("--p", p.toFixed(3));
    button.dataset.index = index;
    return button;
}

function moveAmong(event) {
    const buttons = [...event.currentTarget.children], at = buttons.indexOf(event.target.closest("button"));
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[to].focus();
    buttons[to].click();
}

// The words of a caption of `shot` {file, photo, model, kind}; `veil` is the canvas over the large photo.
// Returns the element, or null if the answer has no tokens.
export function wordsOf(caption, shot, veil, canExplain) {
    if (!caption.tokens) return null;
    const ratio = shot.photo.naturalWidth ? `${shot.photo.naturalWidth} / ${shot.photo.naturalHeight}` : "1"; // 0: it cannot be shown
    const why = canExplain ? saliencyFigure({ ...shot, ratio }, caption.text) : null;
    const said = h("p", { class: "about", "aria-live": "polite" });
    const detail = h("div", { class: "detail", hidden: true }, said, why?.figure);
    const group = h("div", { class: "words", role: "group", "aria-label": "Words with their probability", onkeydown: moveAmong },
        caption.tokens.map((token, i) => wordButton(token, i, shot.photo)));
    const buttons = [...group.children];
    const close = () => {
        detail.hidden = veil.hidden = true;
        why?.stop();
    };
    const choose = (button) => {
        const opened = button.getAttribute("aria-pressed") !== "true";
        buttons.forEach((b) => b.setAttribute("aria-pressed", opened && b === button));
        if (!opened) return close();
        const index = Number(button.dataset.index), token = caption.tokens[index], end = token.word === "<END>";
        veil.hidden = !token.attention;
        if (token.attention) paintAttention(veil, token.attention);
        said.replaceChildren(h("b", {}, end ? "The end" : token.word), ` came with probability ${percent(Math.exp(token.logprob))}`,
            token.attention ? `; the model ${describeAttention(token.attention)}.` : `. The ${shot.kind} model sees the photo as one vector, so there is no place where it looked.`);
        if (why) why.figure.hidden = end;
        if (why && !end) why.show({ index, text: token.word });
        detail.hidden = false;
    };
    group.addEventListener("click", (event) => event.target.closest("button") && choose(event.target.closest("button")));
    veil.hidden = true;
    return h("div", {}, group, detail);
}
