// entries.js: what is known of a photo, and how that leaves the page: as text, as HTML, as a table.
//
// An entry is {id, file, note}. note, which is stored as it is: {name, result, chosen, edited, decorative, fault, saved}:
//     result      {captions, model, timing, kind, options} of the last answer; chosen: which of its captions
//     edited      what a human wrote instead; null: nothing
//     decorative  the photo says nothing: its alternative text is empty
//     fault       {title, message, status} of what went wrong last
//     saved       {dataset, item, caption, own}: where it is to be learnt from

export const newNote = (name) => ({ name, result: null, chosen: 0, edited: null, decorative: false, fault: null, saved: null });

export const captionOf = ({ note }) => note.result?.captions[note.chosen] ?? null;

export const textOf = (entry) => (entry.note.decorative ? "" : entry.note.edited ?? captionOf(entry)?.text ?? "").trim();

export const isDone = ({ note }) => note.result !== null || note.edited !== null || note.decorative;

export const isUnsure = (entry, below) => !entry.note.decorative && entry.note.edited === null && (captionOf(entry)?.confidence ?? 1) < below;

// Was it changed since it was last put into that dataset?
export const isUnsaved = (entry, dataset) => textOf(entry) !== "" && !(entry.note.saved?.dataset === dataset && entry.note.saved.caption === textOf(entry));

// ---- out of the page -----------------------------------------------------------------------------------------------

const NAMED = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escape = (text) => text.replace(/[&<>"]/g, (c) => NAMED[c]);

export const asImage = (entry) => `<img src="${escape(encodeURI(entry.note.name))}" alt="${escape(textOf(entry))}">`;

const facts = (entry, below) => ({
    file: entry.note.name,
    alt: textOf(entry),
    decorative: entry.note.decorative,
    edited: entry.note.edited !== null,
    unsure: isUnsure(entry, below),
    confidence: captionOf(entry)?.confidence ?? null,
    model: entry.note.result?.model ?? null,
    error: isDone(entry) || !entry.note.fault ? null : [entry.note.fault.title, entry.note.fault.message].filter(Boolean).join(": "),
});

const line = (text) => text.replace(/\s+/g, " ");

export const asLines = (entries) => entries.map((e) => `${line(e.note.name)}\t${line(textOf(e))}`).join("\n");

export const asJson = (entries, below) => `${JSON.stringify(entries.map((e) => facts(e, below)), null, 2)}\n`;

// RFC 4180.
export function asCsv(entries, below) {
    const cell = (value) => (/[",\r\n]/.test(value ?? "") ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ""));
    const rows = entries.map((e) => facts(e, below)), heads = ["file", "alt", "decorative", "edited", "unsure", "confidence", "model", "error"];
    return [heads, ...rows.map((row) => heads.map((name) => row[name]))].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}
