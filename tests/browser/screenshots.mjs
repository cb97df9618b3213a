#!/usr/bin/env node
// Makes docs/images/page-*.jpg: the page at work, on a real daemon, with photos free of copyright (tests/photos.sh).
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { check, openPanel, run } from "./browser.mjs";
import { lessons, upload } from "./pictures.mjs";

const OUT = "docs/images";
const DESKTOP = { width: 1180, height: 820 }, CARD = { width: 1180, height: 1040 };
const photo = (name) => upload({ name, buffer: readFileSync(`build/photos/${name}`) });

async function shoot(page, name) {
    await page.mouse.move(0, 0);
    await page.waitForTimeout(400); // transitions
    await page.screenshot({ path: `${OUT}/page-${name}.jpg`, type: "jpeg", quality: 82 });
}

async function captions(page, path, word) {
    await openPanel(page, "captions");
    await page.setInputFiles("[data-photos=captions] input", path);
    await page.click(`.card .word:has(.spelt:text-is("${word}"))`);
    await page.waitForFunction(() => document.querySelector(".card .map")?.naturalWidth > 0 && document.querySelector(".card .frame[aria-busy=false]"));
}

async function teach(page, url) {
    await fetch(`${url}/v1/datasets/shapes`, { method: "PUT" });
    for (const l of lessons) {
        const form = new FormData();
        form.append("image", new Blob([l.buffer], { type: "image/png" }), l.name);
        form.append("caption", l.caption);
        await fetch(`${url}/v1/datasets/shapes/items`, { method: "POST", body: form });
    }
    await openPanel(page, "training");
    await page.waitForSelector("#train-form option[value=shapes]", { state: "attached" });
    for (const [name, value] of Object.entries({ model: "shapes", epochs: 40, learning_rate: 0.004 })) await page.fill(`#train-form [name=${name}]`, String(value));
    await page.selectOption("#train-form [name=base]", "*");
    await page.click("#train-form summary");
    for (const [name, value] of Object.entries({ minimum_captions: 1, hidden: 128, words: 32, batch: 2, minimum_count: 1, dev_fraction: 0.2 })) await page.fill(`#train-form [name=${name}]`, String(value));
    await page.click("#train-form summary");
    await page.click("#train-form button.primary");
    await page.waitForSelector("#job-open .samples li");
}

async function visualise(page, kind, name, fields) {
    await openPanel(page, "visualise");
    await page.check(`#visualise-form [value=${kind}]`);
    await page.setInputFiles("#visualise-form input[type=file]", photo(name));
    for (const [field, value] of Object.entries(fields)) {
        const place = page.locator(`#visualise-form [name=${field}]`);
        await (field === "layer" ? place.selectOption(value) : place.fill(String(value)));
    }
    await page.click("#visualise-form button.primary");
    await page.waitForSelector("#visualise-result .state:not(.succeeded)");
    await page.waitForSelector("#visualise-result .state.succeeded");
    await page.waitForFunction(() => [...document.querySelectorAll("#visualise-result .pictures img")].every((i) => i.naturalWidth > 0));
}

check(existsSync("build/photos/chelsea.png"), "there are no photos: tests/photos.sh");
await run([], async ({ page, daemon, test }) => {
    await test("are_made", async () => {
        await page.setViewportSize(CARD);
        await captions(page, "docs/images/camera.jpg", "tripod");
        await shoot(page, "captions");
        await page.setViewportSize(DESKTOP);
        await visualise(page, "fool", "chelsea.png", { class: "goldfish" });
        await shoot(page, "fool");
        await teach(page, daemon.url);
        await page.waitForSelector("#job-open .state.succeeded");
        await shoot(page, "training");
    });
});
for (const name of readdirSync(OUT).filter((n) => n.startsWith("page-"))) console.log(`# ${name}: ${Math.round(statSync(`${OUT}/${name}`).size / 1000)} KB`);
