// selftest.js: is every gradient right? One table.
import { getJson } from "./api.js";
import { $, attempt, h, number, table, values } from "./dom.js";

const scientific = (x) => (x === null ? "not finite" : x === 0 ? "0" : x.toExponential(1));

// How many orders of magnitude an error stays below its threshold, as a bar.
function margin(check) {
    const orders = check.max_relative_error ? Math.log10(check.threshold / check.max_relative_error) : 12;
    return h("meter", { min: 0, max: 8, value: Math.max(0, Math.min(8, orders)), "aria-label": `${orders.toFixed(1)} orders of magnitude below the threshold` });
}

function row(check) {
    const verdict = h("span", { class: check.passed ? "good" : "bad" }, check.passed ? "✓ right" : "✗ wrong");
    return [{ head: check.name }, check.shape.join(" × "), scientific(check.max_relative_error), scientific(check.threshold), margin(check), verdict];
}

function showReport(report) {
    const right = report.checks.filter((c) => c.passed).length, all = report.checks.length;
    $("selftest-result").replaceChildren(
        h("p", { class: `verdict ${report.passed ? "good" : "bad"}` }, report.passed ? `All ${number(all)} gradients are right.` : `${all - right} of ${all} gradients are wrong.`,
            h("span", { class: "facts" }, h("span", {}, report.precision), h("span", {}, `seed ${report.seed}`), h("span", {}, `${(1000 * report.seconds).toFixed(1)} ms`))),
        table("Numeric against analytic gradients", ["Gradient", "Shape", "Largest relative error", "Threshold", "Margin", "Verdict"], report.checks.map(row)));
    fillLayers(report.checks);
}

// The layers are those that a whole report names.
function fillLayers(checks) {
    const select = $("selftest-form").elements.layer;
    if (select.value || select.options.length > 1) return;
    const names = new Set(checks.map((c) => c.name.split(".")[0]));
    select.append(...[...names].map((name) => h("option", { value: name }, name)));
}

async function check(event) {
    event?.preventDefault();
    const query = values($("selftest-form"));
    await attempt($("selftest-form").querySelector("button"), $("selftest-result"), async () => showReport(await getJson("/v1/selftest/gradients", { query })));
}

export function init() {
    $("selftest-form").addEventListener("submit", check);
}

export function show() {
    if (!$("selftest-result").hasChildNodes()) check();
}
