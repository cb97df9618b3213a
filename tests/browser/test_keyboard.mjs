#!/usr/bin/env node
// Everything without a mouse: tabs, photos, words, dialogs; and where the focus is, is seen.
import { check, run } from "./browser.mjs";
import { photo } from "./pictures.mjs";

await run(["--models", "lstm"], async ({ page, test }) => {
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
    const press = async (...keys) => {
        for (const key of keys) await page.keyboard.press(key);
    };

    await test("the_first_stop_skips_to_the_content", async () => {
        await press("Tab");
        check(await focused() === "Skip to the content", await focused());
        await press("Enter");
        check(await focused() === "content", await focused());
        check(await page.isVisible("#captions"), "the panel is gone");
    });

    await test("arrows_walk_the_tabs_and_open_their_panels", async () => {
        await page.focus("#tab-captions");
        for (const name of ["visualise", "datasets", "training", "models", "selftest", "captions"]) {
            await press("ArrowRight");
            await page.waitForSelector(`#${name}:not([hidden])`);
            check(await focused() === `tab-${name}`, await focused());
            check(await page.getAttribute(`#tab-${name}`, "aria-selected") === "true");
            check(await page.locator("[role=tabpanel]:not([hidden])").count() === 1);
        }
        await press("End");
        await page.waitForSelector("#selftest:not([hidden])");
        await press("Home");
        await page.waitForSelector("#captions:not([hidden])");
    });

    await test("only_the_chosen_tab_is_a_stop", async () => {
        check(await page.locator("[role=tab][tabindex='0']").count() === 1);
    });

    await test("the_back_button_goes_to_the_last_panel", async () => {
        await page.goBack();
        await page.waitForSelector("#selftest:not([hidden])");
        await page.goForward();
        await page.waitForSelector("#captions:not([hidden])");
    });

    await test("the_file_chooser_opens_by_key", async () => {
        await page.focus("[data-photos=captions] input");
        const outline = await page.evaluate(() => getComputedStyle(document.querySelector("[data-photos=captions] .drop-face")).outlineStyle);
        check(outline === "solid", "the focus is not seen:", outline);
        const chooser = page.waitForEvent("filechooser");
        await page.waitForTimeout(500); // the browser is told to give choosers to the test; a key press could overtake that
        await press("Enter");
        await (await chooser).setFiles(photo());
        await page.waitForSelector(".card .facts");
    });

    await test("a_word_is_opened_by_key", async () => {
        await page.focus(".word >> nth=0");
        await press("Space");
        check(await page.isVisible(".card .detail"));
        await press("ArrowRight");
        check(await page.getAttribute(".word >> nth=1", "aria-pressed") === "true");
    });

    await test("the_dialog_holds_the_focus_and_gives_it_back", async () => {
        await page.focus("#key-open");
        await press("Enter");
        check(await page.evaluate(() => document.activeElement.name === "key"));
        await press("Tab", "Tab", "Tab", "Tab");
        check(await page.evaluate(() => document.activeElement === document.body || !!document.activeElement.closest("dialog")));
        await press("Escape");
        check(await focused() === "key-open", await focused());
    });
});
