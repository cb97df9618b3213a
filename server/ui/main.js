// main.js: the tabs, the key, whether the daemon is ready. Each panel is a module of its own.
import { aboutDaemon, ask, key } from "./api.js";
import { $ } from "./dom.js";
import * as card from "./modelcard.js";
import * as captions from "./captions.js";
import * as datasets from "./datasets.js";
import * as models from "./models.js";
import * as reference from "./reference.js";
import * as selftest from "./selftest.js";
import * as training from "./training.js";
import * as visualise from "./visualise.js";

// Each has init(), called once, and show(rest), called when its panel comes into view; rest: what follows the panel's
// name in the address, as "12" of "#/training/12".
const panels = { captions, visualise, datasets, training, models, selftest, reference, card };
const tabs = [...document.querySelectorAll("[role=tab]")];

// ---- tabs ----------------------------------------------------------------------------------------------------------

const panelOf = (tab) => tab.getAttribute("aria-controls");

// "#/models", "#/training/12", "#/training?dataset=pets"; any other anchor, as the skip link's, leaves the panel as it is.
const partsOf = (hash) => (hash === "" ? ["captions", ""] : /^#\/([a-z]+)[/?]?(.*)$/.exec(hash)?.slice(1) ?? ["", ""]);
const go = (tab) => (location.hash = `/${panelOf(tab)}`);

let current = "";

function open([wanted, rest]) {
    if (!panels[wanted]) return;
    current = wanted;
    const reached = tabs.find((tab) => panelOf(tab) === wanted) ?? tabs[0]; // by the keyboard
    for (const name of Object.keys(panels)) $(name).hidden = name !== wanted;
    for (const tab of tabs) {
        const on = panelOf(tab) === wanted;
        tab.setAttribute("aria-selected", on);
        tab.tabIndex = tab === reached ? 0 : -1;
        if (on) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    panels[wanted].show(rest);
}

function moveFocus(event) {
    const at = tabs.indexOf(event.target), n = tabs.length;
    const to = { ArrowRight: (at + 1) % n, ArrowLeft: (at + n - 1) % n, Home: 0, End: n - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    tabs[to].focus();
    go(tabs[to]);
}

for (const tab of tabs) {
    tab.addEventListener("click", () => go(tab));
    tab.addEventListener("keydown", moveFocus);
}
const openNamed = () => open(partsOf(location.hash));
window.addEventListener("hashchange", openNamed);

// ---- the key -------------------------------------------------------------------------------------------------------

const dialog = $("key-dialog"), form = $("key-form");
$("key-open").addEventListener("click", () => {
    form.elements.key.value = key.get();
    dialog.showModal();
});
$("key-close").addEventListener("click", () => dialog.close());
form.addEventListener("submit", (event) => {
    event.preventDefault();
    key.set(form.elements.key.value.trim());
    dialog.close();
    tabs.find((tab) => tab.tabIndex === 0)?.focus();
    panels[current].show("");
});

// ---- ready? --------------------------------------------------------------------------------------------------------

async function look() {
    let text = "Ready", state = "good";
    try {
        await ask("/readyz");
    } catch (error) {
        text = { loading: "Loading", draining: "Shutting down" }[error.type] || "Unreachable";
        state = error.type ? "busy" : "bad";
    }
    const place = $("ready");
    if (place.textContent !== text) place.textContent = text;
    place.dataset.state = state;
    setTimeout(look, state === "good" ? 15000 : 1500);
}

for (const panel of Object.values(panels)) panel.init();
open(panels[partsOf(location.hash)[0]] ? partsOf(location.hash) : ["captions", ""]);
aboutDaemon().then(({ version }) => ($("version").textContent = `captiond ${version}`)).catch(() => 0);
look();
