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

// Shows what went wrong (an ApiError or any other) as an alert in place of what stood in `place`.
export function showProblem(place, error) {
    if (error.name === "AbortError") return;
    place.replaceChildren(h("p", { class: "problem", role: "alert" }, h("b", {}, error.title || "Something went wrong"),
        error.message ? ` ${error.message}` : "",
        error.status === 401 ? [" ", h("button", { type: "button", class: "quiet", onclick: () => $("key-open").click() }, "Enter the key")] : ""));
}

// Runs `work` with the button disabled and `place` for faults.
export async function attempt(button, place, work) {
    button.disabled = true;
    place.setAttribute("aria-busy", "true");
    try {
        return await work();
    } catch (error) {
        showProblem(place, error);
    } finally {
        button.disabled = false;
        place.setAttribute("aria-busy", "false");
    }
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

// rows: arrays of cells (text, element, or {head: text} for the row's own header).
export function table(caption, heads, rows, attributes = {}) {
    const cell = (c) => (c && c.head !== undefined ? h("th", { scope: "row" }, c.head) : h("td", {}, c));
    return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, h("table", attributes,
        h("caption", {}, caption),
        h("thead", {}, h("tr", {}, heads.map((t) => h("th", { scope: "col" }, t)))),
        h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell))))));
}

// The form's filled-in, visible fields as {name: text}.
export function values(form) {
    const all = [...form.elements].filter((e) => e.name && e.value !== "" && !e.closest("[hidden]") && (e.type !== "radio" || e.checked));
    return Object.fromEntries(all.map((e) => [e.name, e.value]));
}

// Shows what is for `choice` alone: elements with data-for="a b".
export function showFor(root, choice) {
    for (const e of root.querySelectorAll("[data-for]")) e.hidden = !e.dataset.for.split(" ").includes(choice);
}
