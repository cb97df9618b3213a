#!/usr/bin/env node
// Phone to desktop, light and dark: no sideways scrolling, and nothing that axe-core objects to (WCAG 2.2 A and AA).
import { axeSource, check, openPanel, run } from "./browser.mjs";
import { lessons, photo, upload } from "./pictures.mjs";

const PANELS = ["captions", "visualise", "datasets", "training", "models", "selftest", "reference"];
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const SIZES = { phone: { width: 360, height: 780 }, tablet: { width: 820, height: 1180 }, desktop: { width: 1440, height: 900 } };

await run(["--models", "lstm,rnn"], async ({ page, daemon, test }) => {
    await page.addInitScript(axeSource());
    await page.reload();

    // Each panel with something in it.
    await fetch(`${daemon.url}/v1/datasets/pets`, { method: "PUT" });
    const form = new FormData();
    form.append("image", new Blob([lessons[0].buffer], { type: "image/png" }), "a.png");
    form.append("caption", lessons[0].caption);
    await fetch(`${daemon.url}/v1/datasets/pets/items`, { method: "POST", body: form });

    await test("every_panel_is_filled", async () => {
        await page.setInputFiles("[data-photos=captions] input", [photo(), upload(lessons[1])]);
        await page.locator(".card .facts").nth(1).waitFor();
        await page.click(".word >> nth=1");
        await openPanel(page, "datasets");
        await page.click("#dataset-list button:text-is('pets')");
        await page.waitForSelector(".items img");
        await openPanel(page, "models");
        await page.waitForSelector("#models tbody tr");
        await openPanel(page, "selftest");
        await page.waitForSelector("#selftest tbody tr");
        await openPanel(page, "reference");
        await page.click("#route-caption > summary");
        await page.waitForSelector("#route-caption .members");
    });

    for (const [size, viewport] of Object.entries(SIZES))
        await test(`no_sideways_scrolling_on_a_${size}`, async () => {
            await page.setViewportSize(viewport);
            for (const panel of PANELS) {
                await openPanel(page, panel);
                const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
                check(wide <= 0, `${panel} is ${wide} pixels too wide`);
            }
        });

    await test("no_table_is_cut_off_on_a_phone", async () => {
        await page.setViewportSize(SIZES.phone);
        for (const panel of ["datasets", "models", "selftest"]) {
            await openPanel(page, panel);
            const cut = await page.evaluate((id) => [...document.querySelectorAll(`#${id} .scroll, #${id} td`)].filter((e) => e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > innerWidth).length, panel);
            check(cut === 0, panel, cut);
        }
        const shape = page.locator("#selftest tbody tr").first().locator("td").first();
        check(await shape.evaluate((td) => getComputedStyle(td, "::before").content) === '"Shape "', "a cell does not say its column");
        check((await shape.boundingBox()).height < 60, "the shape is broken over lines");
    });

    for (const colorScheme of ["light", "dark"])
        for (const size of ["desktop", "phone"])
            await test(`axe_finds_nothing_in_${colorScheme}_on_a_${size}`, async () => {
                await page.emulateMedia({ colorScheme });
                await page.setViewportSize(SIZES[size]);
                for (const panel of PANELS) {
                    await openPanel(page, panel);
                    const found = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: "tag", values }, rules: { "label-content-name-mismatch": { enabled: true } } }), RULES);
                    check(found.passes.length > 10, "axe did not look");
                    check(!found.violations.length, panel, found.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join(" | ")}`).join("\n"));
                }
            });

    for (const colorScheme of ["light", "dark"])
        await test(`axe_finds_nothing_in_the_model_card_in_${colorScheme}`, async () => {
            await page.emulateMedia({ colorScheme });
            await page.click(".foot a:text-is('Model card')");
            await page.waitForSelector("#card-text table");
            const found = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: "tag", values } }), RULES);
            check(!found.violations.length, found.violations.map((v) => `${v.id}: ${v.nodes[0].target}`).join("\n"));
        });

    await test("dark_is_dark_and_light_is_light", async () => {
        const shade = async (colorScheme) => {
            await page.emulateMedia({ colorScheme });
            return page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number).reduce((a, b) => a + b));
        };
        check(await shade("light") > 700 && await shade("dark") < 90);
    });
});
