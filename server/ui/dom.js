// dom.js: making elements, and how numbers and faults are shown.

// h("p", {class: "lead", onclick: f, hidden: true}, "text", element, [more]): text is never parsed as HTML.
export function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === undefined || value === null || value === false) continue;
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else if (name === "value") element.value = value;
        else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
    return element;
}

export const $ = (id) => document.getElementById(id);

export const percent = (p) => (p >= 0.995 ? "99+ %" : p >= 0.01 ? `${Math.round(p * 100)} %` : "< 1 %");

export const number = (x) => (x === null || x === undefined ? "–" : x.toLocaleString("en"));

export function duration(seconds) {
    if (!(seconds >= 0)) return "";
    if (seconds < 60) return `${Math.round(seconds)} s`;
    return seconds < 3600 ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
        : `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export const when = (iso) => (iso ? new Date(iso).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) : "–");

// "The request has no body" and "send an image" -> "The request has no body:", " send an image"; a whole sentence stays.
const asLead = (title, more) => (/[.!?:]$/.test(title) ? title : `${title}${more ? ":" : "."}`);

// Shows what went wrong (an ApiError or any other) as an alert in place of what stood in `place`.
export function showProblem(place, error) {
    if (error.name === "AbortError") return;
    const { title = "Something went wrong", message, status } = error;
    place.replaceChildren(h("p", { class: "problem", role: "alert" }, h("b", {}, asLead(title, message)), message ? ` ${message}` : "",
        status === 401 ? [" ", h("button", { type: "button", class: "quiet", onclick: () => $("key-open").click() }, "Enter the key")] : ""));
}

const STOPS = "button, input, [tabindex]"; // of the keyboard
const stopsIn = (root) => [...root.querySelectorAll(STOPS)].filter((e) => e.offsetParent);
const spoken = (element) => element.getAttribute("aria-label") || element.textContent;
const rowsIn = (root) => [...root.querySelectorAll("tbody tr, li")];
const atMost = (list, i) => list[Math.min(i, list.length - 1)];
const isBefore = (element, place) => element.compareDocumentPosition(place) & Node.DOCUMENT_POSITION_FOLLOWING;

// What takes the focus of a stop called `name`, the i-th of the r-th row, now that `place` is filled anew: its namesake,
// else what stands there now, in its row or the one that moved up, else the last stop before the place.
function heir(place, name, r, i) {
    const stops = stopsIn(place), row = r < 0 ? null : atMost(rowsIn(place), r), there = atMost(row ? stopsIn(row) : stops, i);
    return [there, ...stops].find((e) => e && spoken(e) === name) ?? there
        ?? stopsIn(place.closest("[role=tabpanel]")).filter((e) => isBefore(e, place)).at(-1);
}

// Puts `content` in the place of what was there. Focus that was in there is not lost.
export function refill(place, ...content) {
    const old = place.contains(document.activeElement) ? document.activeElement : null, row = old?.closest("tr, li");
    const at = old && [spoken(old), rowsIn(place).indexOf(row), stopsIn(row ?? place).indexOf(old)];
    place.replaceChildren(...content);
    if (old) heir(place, ...at)?.focus();
}

// Runs `work` with `place` for faults. The button takes no second press meanwhile, but keeps the focus, which one that is
// `disabled` would lose.
export async function attempt(button, place, work) {
    if (button.hasAttribute("aria-disabled")) return undefined;
    button.setAttribute("aria-disabled", "true");
    place.setAttribute("aria-busy", "true");
    try {
        return await work();
    } catch (error) {
        showProblem(place, error);
    } finally {
        button.removeAttribute("aria-disabled");
        place.setAttribute("aria-busy", "false");
    }
}

// Puts the text on the clipboard; also where a page without TLS may not, as on another machine than the daemon's.
export async function copyText(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const field = h("textarea", { class: "visually-hidden", value: text }), before = document.activeElement;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus();
    if (!done) throw Object.assign(new Error("select the text and copy it by hand"), { title: "The browser does not let the page copy" });
}

// true if the user says yes.
export function confirm(title, text, yes) {
    const dialog = $("confirm-dialog");
    $("confirm-title").textContent = title;
    $("confirm-text").textContent = text;
    $("confirm-yes").textContent = yes;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

// rows: arrays of cells (text, element, or {head: text} for the row's own header). On a phone each row becomes a block
// in which every cell says its column (base.css); roles, as such a table would be none to some screen readers.
export function table(caption, heads, rows) {
    const cell = (c, i) => (c && c.head !== undefined ? h("th", { scope: "row", role: "rowheader", "data-head": heads[i] }, c.head)
        : h("td", { role: "cell", "data-head": heads[i] }, c));
    return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, h("table", { role: "table" },
        h("caption", {}, caption),
        h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((t) => h("th", { scope: "col", role: "columnheader" }, t)))),
        h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row" }, row.map(cell))))));
}

export const facts = (texts) => h("p", { class: "facts" }, texts.filter(Boolean).map((t) => h("span", {}, t)));

// The form's filled-in, visible fields as {name: text}.
export function values(form) {
    const all = [...form.elements].filter((e) => e.name && e.value !== "" && !e.closest("[hidden]") && (e.type !== "radio" || e.checked));
    return Object.fromEntries(all.map((e) => [e.name, e.value]));
}

// Shows what is for `choice` alone: elements with data-for="a b".
export function showFor(root, choice) {
    for (const e of root.querySelectorAll("[data-for]")) e.hidden = !e.dataset.for.split(" ").includes(choice);
}
