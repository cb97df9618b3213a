#!/usr/bin/env node
// Everything without a mouse: tabs, photos, words, dialogs; and where the focus is, is seen.
import { check, openPanel, run } from "./browser.mjs";
import { lessons, photo } from "./pictures.mjs";

await run(["--models", "lstm,rnn"], async ({ page, daemon, test }) => {
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute("aria-label") || document.activeElement.textContent.trim());
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
        for (const name of ["visualise", "datasets", "training", "models", "selftest", "reference", "captions"]) {
            await press("ArrowRight");
            await page.waitForSelector(`#${name}:not([hidden])`);
            check(await focused() === `tab-${name}`, await focused());
            check(await page.getAttribute(`#tab-${name}`, "aria-selected") === "true");
            check(await page.locator("[role=tabpanel]:not([hidden])").count() === 1);
        }
        await press("End");
        await page.waitForSelector("#reference:not([hidden])");
        await press("Home");
        await page.waitForSelector("#captions:not([hidden])");
    });

    await test("only_the_chosen_tab_is_a_stop", async () => {
        check(await page.locator("[role=tab][tabindex='0']").count() === 1);
    });

    await test("the_back_button_goes_to_the_last_panel", async () => {
        await page.goBack();
        await page.waitForSelector("#reference:not([hidden])");
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

    await test("another_caption_is_chosen_by_key", async () => {
        await page.selectOption("#captions [name=decode]", "beam");
        await page.focus(".card button:text-is('Caption again')");
        await press("Enter");
        await page.focus(".alternatives button >> nth=1");
        await press("Enter");
        check(await page.evaluate(() => document.activeElement.matches(".alternatives [aria-pressed=true]")), await focused());
    });

    // ---- where the focus is when what had it is gone

    await test("a_model_made_the_default_keeps_the_focus", async () => {
        await openPanel(page, "models");
        await page.focus("button[aria-label='Make default: rnn']");
        await press("Enter");
        await page.waitForSelector("#models tr:has(th:text-is('rnn')) .badge");
        await page.waitForSelector("#model-live:has-text('rnn is the default now')");
        check(await page.evaluate(() => document.activeElement.closest("tr")?.querySelector("th").textContent) === "rnn", await focused());
        await press("Shift+Tab");
        check(await focused() === "Download lstm", await focused());
    });

    for (const name of ["a", "b"]) await fetch(`${daemon.url}/v1/datasets/${name}`, { method: "PUT" });
    for (const { caption, buffer } of lessons.slice(0, 2)) {
        const form = new FormData();
        form.append("image", new Blob([buffer], { type: "image/png" }), "a.png");
        form.append("caption", caption);
        await fetch(`${daemon.url}/v1/datasets/a/items`, { method: "POST", body: form });
    }
    const gone = (selector) => page.waitForSelector(selector, { state: "detached" });
    const settled = () => page.waitForFunction(() => !document.querySelector("[aria-disabled], [aria-busy=true]"));

    await test("a_dataset_that_is_opened_keeps_the_focus", async () => {
        await openPanel(page, "datasets");
        await page.focus("#dataset-list button:text-is('a')");
        await press("Enter");
        await page.waitForSelector(".items li >> nth=1");
        await settled();
        check(await focused() === "a", await focused());
    });

    await test("after_a_photo_is_deleted_the_next_one_has_the_focus", async () => {
        for (const [drop, then] of [[lessons[0], `Delete the photo: ${lessons[1].caption}`], [lessons[1], "Add"]]) {
            await page.focus(`button[aria-label='Delete the photo: ${drop.caption}']`);
            await press("Enter");
            await gone(`button[aria-label='Delete the photo: ${drop.caption}']`);
            await settled();
            check(await focused() === then, await focused());
        }
    });

    await test("after_a_dataset_is_deleted_the_next_one_has_the_focus", async () => {
        for (const [name, then] of [["a", "Delete b"], ["b", "Create"]]) {
            await page.focus(`button[aria-label='Delete ${name}']`);
            await press("Enter", "Enter");
            await gone(`button[aria-label='Delete ${name}']`);
            await settled();
            check(await focused() === then, await focused());
        }
    });

    await test("a_button_at_work_keeps_the_focus", async () => {
        await openPanel(page, "selftest");
        await page.waitForSelector("#selftest .verdict");
        await page.focus("#selftest button.primary");
        await page.fill("#selftest [name=seed]", "5");
        await page.focus("#selftest button.primary");
        await press("Enter");
        await page.waitForSelector("#selftest .facts:has-text('seed 5')");
        check(await focused() === "Check", await focused());
        await openPanel(page, "captions");
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
