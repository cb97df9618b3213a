#!/usr/bin/env node
// The gradient self-test as a table: the numbers are those of the API.
import { check, openPanel, run } from "./browser.mjs";

await run([], async ({ page, daemon, test }) => {
    const report = await (await fetch(`${daemon.url}/v1/selftest/gradients?seed=3`)).json();

    await test("runs_when_the_panel_is_opened", async () => {
        await openPanel(page, "selftest");
        await page.waitForSelector("#selftest .verdict.good");
    });

    await test("has_a_row_for_every_gradient", async () => {
        await page.fill("#selftest input[name=seed]", "3");
        await page.click("#selftest button.primary");
        await page.waitForSelector("#selftest .facts:has-text('seed 3')");
        const rows = await page.locator("#selftest tbody tr").allInnerTexts();
        check(rows.length === report.checks.length, rows.length, "rows");
        report.checks.forEach((c, i) => check(rows[i].includes(c.name) && rows[i].includes(c.max_relative_error === 0 ? "0" : c.max_relative_error.toExponential(1)), rows[i], c));
        check((await page.innerText("#selftest .verdict")).includes(`All ${report.checks.length} gradients are right`));
    });

    await test("can_be_of_one_layer", async () => {
        await page.selectOption("#selftest select[name=layer]", "lstm_step");
        await page.click("#selftest button.primary");
        await page.waitForFunction(() => [...document.querySelectorAll("#selftest tbody th")].every((th) => th.textContent.startsWith("lstm_step.")));
    });

    await test("the_table_has_a_caption_and_row_headers", async () => {
        check(await page.locator("#selftest caption").count() === 1);
        check(await page.locator("#selftest tbody th[scope=row]").count() > 0);
    });
});
