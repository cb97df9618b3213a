// api.js: the daemon's answers: JSON, pictures, events; its problems (RFC 9457) as errors; the key.

const KEY = "captiond-key";

export const key = {
    get: () => sessionStorage.getItem(KEY) || "",
    set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
};

export class ApiError extends Error {
    constructor(title, detail, status, type, retryAfter) { // retryAfter: seconds after which it is worth trying again
        super(detail);
        Object.assign(this, { title, status, type, retryAfter });
    }
}

async function refusal(response) {
    const problem = await response.json().catch(() => ({}));
    const detail = response.status === 401 && !key.get() ? "enter it under Key, at the top of the page" : problem.detail;
    return new ApiError(problem.title || `The daemon answered ${response.status}`, detail || "", response.status,
        (problem.type || "").split(":").pop(), Number(response.headers.get("Retry-After")) || undefined);
}

// Where the daemon is: a proxy may show it below a path. `next` of a list has that path already if the proxy tells it.
const root = new URL(".", document.baseURI).pathname;
const at = (path) => (path.startsWith(root) ? path : root + path.slice(1));

// fetch with the key; throws ApiError. options.query: an object; options.json: becomes the body.
export async function ask(path, { query, json, headers = {}, ...options } = {}) {
    const url = query ? `${at(path)}?${new URLSearchParams(query)}` : at(path);
    const all = { ...headers };
    if (key.get()) all.Authorization = `Bearer ${key.get()}`;
    if (json) all["Content-Type"] = "application/json";
    let response;
    try {
        response = await fetch(url, { ...options, headers: all, body: json ? JSON.stringify(json) : options.body, cache: "no-store" });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new ApiError("The daemon cannot be reached.", "Is it still running?", 0);
    }
    if (!response.ok) throw await refusal(response);
    return response;
}

export const getJson = async (path, options) =>
    (await ask(path, { ...options, headers: { Accept: "application/json", ...options?.headers } })).json();

// A picture as an object URL: an <img> could not send the key. The caller revokes it.
export const getPicture = async (path, options) =>
    URL.createObjectURL(await (await ask(path, { ...options, headers: { Accept: "image/png", ...options?.headers } })).blob());

// What a GET answers, as a file of the reader's.
export async function download(path, name) {
    saveFile(name, await (await ask(path)).blob());
}

// Gives the reader a file.
export function saveFile(name, blob) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// The items of a paged list that are `wanted`, page after page, at most `most`.
export async function getAll(path, member, { most = 1000, wanted = () => true } = {}) {
    const items = [];
    for (let next = path; next && items.length < most;) {
        const page = await getJson(next);
        items.push(...page[member].filter(wanted));
        next = page.next;
    }
    return items.slice(0, most);
}

// What the daemon says of itself: its version, its routes.
let known;
export const aboutDaemon = () => (known ??= getJson("/"));

export const hasRoute = async (route) => (await aboutDaemon()).routes.some((r) => `${r.method} ${r.path}` === route);

// ---- server-sent events ------------------------------------------------------------------------------------------

function parseEvent(text) {
    const event = { type: "message", data: "" };
    for (const line of text.split("\n")) {
        const [, name, value] = /^(\w+): ?(.*)$/.exec(line) || [];
        if (name === "data") event.data += value;
        else if (name === "event") event.type = value;
        else if (name === "id") event.id = value;
    }
    return event;
}

async function readStream(response, give) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        parts.map(parseEvent).filter((e) => e.data).forEach(give);
    }
}

// Calls onEvent(type, data) until the job has ended or `signal`, if given, aborts; comes back after a lost connection.
// EventSource could not send the key.
export async function follow(job, onEvent, signal = new AbortController().signal) {
    let last, ended = false;
    while (!ended && !signal.aborted) {
        try {
            const headers = { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) };
            const response = await ask(`/v1/jobs/${job}/events`, { headers, signal });
            if (response.status === 204) return;
            await readStream(response, (event) => {
                last = event.id || last;
                ended ||= event.type === "end";
                if (!signal.aborted) onEvent(event.type, JSON.parse(event.data));
            });
        } catch (error) {
            if (signal.aborted) return;
            if (error.status) throw error;
        }
        if (!ended) await new Promise((done) => setTimeout(done, 2000));
    }
}
