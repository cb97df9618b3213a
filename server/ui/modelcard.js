// modelcard.js: the model card of the shipped captioners, Markdown as the binary carries it, shown as elements.
import { ask } from "./api.js";
import { $, h, showProblem } from "./dom.js";

// ---- inside a line: `code`, **bold**, *emphasis*, [text](address) ----------------------------------------------------

const INSIDE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|!?\[([^\]]*)\]\(([^)\s]+)\)/g;

function inline(text) {
    const parts = [];
    let from = 0;
    for (const m of text.matchAll(INSIDE)) {
        const [whole, code, bold, emphasis, name, address] = m;
        parts.push(text.slice(from, m.index), code ? h("code", {}, code) : bold ? h("b", {}, inline(bold)) : emphasis ? h("em", {}, emphasis)
            : /^https?:/.test(address) ? h("a", { href: address, rel: "noreferrer" }, name) : name); // other files are not here
        from = m.index + whole.length;
    }
    return [...parts, text.slice(from)];
}

// ---- blocks --------------------------------------------------------------------------------------------------------

const cells = (row) => row.trim().replace(/^\||\|$/g, "").split("|").map((c) => inline(c.trim()));

function table([heads, , ...rows]) {
    return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Table of ${rows[0].split("|")[1].replace(/[`*]/g, "").trim()}: ${heads.replace(/[|]/g, " ").trim()}` }, h("table", {},
        h("thead", {}, h("tr", {}, cells(heads).map((c) => (c.length > 1 || c[0] ? h("th", { scope: "col" }, c) : h("td", {}))))),
        h("tbody", {}, rows.map((row) => h("tr", {}, cells(row).map((c) => h("td", {}, c)))))));
}

function block(lines) {
    const text = lines.join(" "), heading = /^(#+) (.*)/.exec(text);
    if (heading) return heading[1].length > 1 ? h("h3", {}, inline(heading[2])) : null; // the panel has the title
    if (lines[0].startsWith("|")) return table(lines);
    if (/^[-*] /.test(lines[0])) return h("ul", {}, text.split(/(?:^| )[-*] /).slice(1).map((item) => h("li", {}, inline(item))));
    if (/^ {4}/.test(lines[0])) return h("pre", { tabindex: 0 }, lines.map((l) => l.slice(4)).join("\n"));
    return h("p", {}, inline(text));
}

export const markdown = (text) => text.split(/\n\s*\n/).filter((b) => b.trim()).map((b) => block(b.replace(/\n$/, "").split("\n"))).filter(Boolean);

export function init() {}

export async function show() {
    const place = $("card-text");
    if (place.children.length) return;
    try {
        place.replaceChildren(...markdown(await (await ask("/ui/model_card.md")).text()));
    } catch (error) {
        showProblem(place, error);
    }
}
