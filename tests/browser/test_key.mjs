#!/usr/bin/env node
// A daemon that asks for a key: the page says so, takes one, sends it with everything, and forgets it with its tab.
import { check, openPanel, run } from "./browser.mjs";
import { lessons, photo, upload } from "./pictures.mjs";

const KEYS = ["--models", "lstm", "--admin-key", "operator's-key", "--caption-key", "caption-key"];

await run(KEYS, async ({ page, test }) => {
    const use = async (key) => {
        await page.click("#key-open");
        await page.fill("#key-form input", key);
        await page.click("#key-form button.primary");
    };
    const asked = /status of 401/;

    await test("without_one_the_page_says_so_and_where_to_enter_it", async (allow) => {
        allow(asked);
        await page.waitForSelector("#captions-fault .problem");
        const told = await page.innerText("#captions-fault .problem");
        check(/^A key is needed: enter it under Key, at the top/.test(told), told);
        check(!told.includes("Bearer"), told);
    });

    await test("without_one_the_refusal_offers_to_enter_it", async (allow) => {
        allow(asked);
        await page.setInputFiles("[data-photos=captions] input", photo());
        await page.click(".card .problem button:text-is('Enter the key')");
        check(await page.isVisible("#key-dialog"));
        await page.keyboard.press("Escape");
    });

    await test("the_caption_key_gives_captions_but_no_datasets", async (allow) => {
        allow(asked);
        await use("caption-key");
        await page.waitForSelector(".card .facts"); // what was refused is asked again
        check(await page.locator("#captions-fault .problem").count() === 0);
        check(await page.inputValue("#captions [name=model]") === "" && await page.locator("#captions [name=model] option").count() > 1);
        await openPanel(page, "datasets");
        await page.waitForSelector("#dataset-list .problem");
    });

    await test("the_operators_key_gives_all", async () => {
        await use("operator's-key");
        await page.waitForSelector("#dataset-list .empty");
        await page.fill("#dataset-new input", "pets");
        await page.click("#dataset-new button");
        await page.setInputFiles("#dataset-open input[type=file]", lessons.slice(0, 4).map((l) => upload(l)));
        await page.fill("#dataset-open textarea", "a thing");
        await page.click("#dataset-open button.primary");
        await page.waitForFunction(() => [...document.querySelectorAll(".items img")].filter((i) => i.naturalWidth > 0).length === 4);
    });

    await test("events_are_followed_with_it", async () => {
        await openPanel(page, "training");
        await page.waitForSelector("#train-form option[value=pets]", { state: "attached" });
        await page.fill("#train-form [name=model]", "mine");
        await page.fill("#train-form [name=epochs]", "2");
        await page.click("#train-form button.primary");
        await page.waitForSelector("#job-open .state.succeeded");
    });

    await test("it_is_kept_for_this_tab_alone", async (allow) => {
        allow(asked);
        check(await page.evaluate(() => sessionStorage.getItem("captiond-key")) === "operator's-key");
        check(await page.evaluate(() => localStorage.length === 0 && document.cookie === ""));
        await use("");
        check(await page.evaluate(() => sessionStorage.length) === 0);
    });
});
