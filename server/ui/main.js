// main.js: the tabs, the key, whether the daemon is ready. Each panel is a module of its own.
import { ask, key } from "./api.js";
import { $ } from "./dom.js";
import * as captions from "./captions.js";
import * as datasets from "./datasets.js";
import * as models from "./models.js";
import * as selftest from "./selftest.js";
import * as training from "./training.js";
import * as visualise from "./visualise.js";

// Each has init(), called once, and show(), called when its panel comes into view.
const panels = { captions, visualise, datasets, training, models, selftest };
const tabs = [...document.querySelectorAll("[role=tab]")];

// ---- tabs ----------------------------------------------------------------------------------------------------------

const panelOf = (tab) => tab.getAttribute("aria-controls");

// "#/models"; any other anchor, as the skip link's, leaves the panel as it is.
const nameOf = (hash) => (hash === "" ? "captions" : hash.startsWith("#/") ? hash.slice(2) : "");
const go = (tab) => (location.hash = `/${panelOf(tab)}`);

function open(wanted) {
    if (!panels[wanted]) return;
    for (const tab of tabs) {
        const on = panelOf(tab) === wanted;
        tab.setAttribute("aria-selected", on);
        tab.tabIndex = on ? 0 : -1;
        $(panelOf(tab)).hidden = !on;
        if (on) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    panels[wanted].show();
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
const openNamed = () => open(nameOf(location.hash));
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
    panels[panelOf(document.activeElement)]?.show();
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
open(panels[nameOf(location.hash)] ? nameOf(location.hash) : "captions");
look();
