// reference.js: the API reference, read from the daemon's own openapi.json: every route with its options, bodies,
// answers and a line for curl.
import { getJson } from "./api.js";
import { $, h, showProblem, table } from "./dom.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const RIGHTS = { open: "anybody", caption: "with the key for captions, if there is one", operator: "operators" };
let spec;

const resolve = (object) => (object?.$ref ? object.$ref.slice(2).split("/").reduce((at, name) => at[name], spec) : object);

// ---- schemas -------------------------------------------------------------------------------------------------------

function typeOf(schema) {
    if (schema.$ref) return schema.$ref.split("/").pop();
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.map((v) => JSON.stringify(v)).join(" | ");
    if (schema.oneOf || schema.anyOf) return (schema.oneOf || schema.anyOf).map(typeOf).join(" | ");
    if (schema.type === "array") return `${typeOf(schema.items || {})}[]`;
    const range = schema.minimum !== undefined || schema.maximum !== undefined ? `, ${schema.minimum ?? "…"} to ${schema.maximum ?? "…"}` : "";
    return `${[schema.type || "any"].flat().join(" or ")}${schema.format ? ` (${schema.format})` : ""}${range}`;
}

const usual = (schema) => (schema.default === undefined ? "" : ` Default: ${JSON.stringify(schema.default)}.`);

// The members of an object, those of its members one level further for who opens them.
function members(schema, depth = 0) {
    const whole = resolve(schema), parts = (whole?.allOf || [whole]).map(resolve);
    const all = Object.assign({}, ...parts.map((p) => p?.properties)), needed = parts.flatMap((p) => p?.required || []);
    if (!Object.keys(all).length) return whole?.items ? members(whole.items, depth) : null;
    return h("dl", { class: "members" }, Object.entries(all).map(([name, about]) => {
        const inside = depth < 2 ? members(about, depth + 1) : null, seen = { ...resolve(about), ...about };
        return h("div", {}, h("dt", {}, h("code", {}, name), " ", h("small", {}, typeOf(about), needed.includes(name) ? ", needed" : "")),
            h("dd", {}, seen.description || "", usual(seen), inside && h("details", {}, h("summary", {}, `Members of ${name}`), inside)));
    }));
}

// ---- one route -----------------------------------------------------------------------------------------------------

function curlLine(path, method, operation, parameters) {
    const at = new URL(".", document.baseURI).href.slice(0, -1), filled = path.replace(/\{(\w+)\}/g, (_, name) => parameters.find((p) => p.name === name)?.example ?? name);
    const bodies = Object.keys(operation.requestBody?.content || {});
    const body = bodies.some((t) => t.startsWith("image/") || t === "application/octet-stream") ? "--data-binary @photo.jpg " : bodies.includes("multipart/form-data") ? "-F image=@photo.jpg "
        : bodies.length ? `--json '${JSON.stringify(operation.requestBody.content[bodies[0]].example ?? {})}' ` : "";
    const short = body.length > 400 ? "--json @request.json " : body;
    return `curl ${method === "get" || (method === "post" && body) ? "" : `-X ${method.toUpperCase()} `}${short}${at}${filled}`;
}

function parameterRows(parameters) {
    return parameters.map((p) => [{ head: p.name }, p.in, typeOf(p.schema || {}), `${p.description || resolve(p.schema)?.description || ""}${usual(p.schema || {})}${p.required ? " Needed." : ""}`]);
}

function bodies(content) {
    return Object.entries(content || {}).map(([type, { schema }]) => h("div", {}, h("p", {}, h("code", {}, type), schema ? ` ${typeOf(schema)}` : ""), schema && members(schema)));
}

function details(path, method, operation, parameters) {
    const answers = Object.entries(operation.responses).map(([status, r]) => [status, resolve(r)]);
    return [operation.description && h("p", {}, operation.description), h("p", { class: "notice" }, `For ${RIGHTS[operation["x-access"]] || "anybody"}.`),
        h("pre", { tabindex: 0 }, curlLine(path, method, operation, parameters)),
        parameters.length && table(`Parameters of ${method.toUpperCase()} ${path}`, ["Name", "In", "Type", "What"], parameterRows(parameters)),
        operation.requestBody && [h("h4", {}, "Body"), bodies(resolve(operation.requestBody).content)],
        h("h4", {}, "Answers"), answers.map(([status, r]) => h("div", {}, h("p", {}, h("b", {}, status), ` ${r.description}`), status < "300" && bodies(r.content)))].flat(2).filter(Boolean);
}

function routeOf(path, method, operation, shared) {
    const parameters = [...(shared || []), ...(operation.parameters || [])].map(resolve);
    const inside = h("div", { class: "route" });
    const element = h("details", { id: `route-${operation.operationId}` }, h("summary", {}, h("b", { class: `method ${method}` }, method.toUpperCase()), " ", h("code", {}, path), " ", operation.summary), inside);
    element.addEventListener("toggle", () => inside.children.length || inside.append(...details(path, method, operation, parameters)));
    const words = [method, path, operation.summary, operation.description, ...parameters.flatMap((p) => [p.name, p.description]), JSON.stringify(operation.requestBody ?? "")].join(" ").toLowerCase();
    return { element, words, tag: operation.tags?.[0] || "other" };
}

// ---- the panel -----------------------------------------------------------------------------------------------------

function find(routes, text) {
    const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { element, words } of routes) element.hidden = !wanted.every((w) => words.includes(w));
    for (const group of $("reference-list").querySelectorAll("section")) group.hidden = !group.querySelector("details:not([hidden])");
    const left = routes.filter((r) => !r.element.hidden).length;
    $("reference-found").textContent = wanted.length ? `${left} of ${routes.length} routes` : `${routes.length} routes, version ${spec.info.version}`;
}

export function init() {
    $("reference-search").addEventListener("submit", (event) => event.preventDefault());
}

export async function show(wanted) {
    const place = $("reference-list");
    try {
        if (!spec) {
            spec = await getJson("/openapi.json");
            const routes = Object.entries(spec.paths).flatMap(([path, item]) => METHODS.filter((m) => item[m]).map((m) => routeOf(path, m, item[m], item.parameters)));
            const tags = [...new Set(routes.map((r) => r.tag))];
            place.replaceChildren(h("p", { id: "reference-found", class: "notice", role: "status" }),
                ...tags.map((tag) => h("section", {}, h("h3", {}, tag), routes.filter((r) => r.tag === tag).map((r) => r.element))));
            $("reference-search").elements.wanted.addEventListener("input", (event) => find(routes, event.target.value));
            find(routes, "");
        }
        const one = wanted && $(`route-${wanted}`);
        if (one) {
            one.open = true;
            one.scrollIntoView();
        }
    } catch (error) {
        showProblem(place, error);
    }
}
