#!/usr/bin/env node
// The models and which is the default: a change is seen here, by the captions, and by who asks the API.
import { check, openPanel, run } from "./browser.mjs";

await run([], async ({ page, daemon, test }) => {
    const models = async () => (await (await fetch(`${daemon.url}/v1/models`)).json()).models;

    await test("are_listed_with_what_the_api_says", async () => {
        await openPanel(page, "models");
        await page.waitForSelector("#models tbody tr");
        for (const m of await models()) {
            const row = await page.innerText(`#models tr:has(th:text-is("${m.name}"))`);
            for (const part of [m.kind, m.vocabulary_size.toLocaleString("en"), m.sha256.slice(0, 10)]) check(row.includes(part), row, "lacks", part);
        }
    });

    await test("one_is_made_the_default", async () => {
        await page.click("button[aria-label='Make default: rnn']");
        await page.waitForSelector("#models tr:has(th:text-is('rnn')) .badge");
        check(await page.innerText("#model-live") === "rnn is the default now.", await page.innerText("#model-live"));
        check((await models()).find((m) => m.default).name === "rnn", await models());
    });

    await test("the_default_is_offered_first_for_captions", async () => {
        await openPanel(page, "captions");
        await page.waitForFunction(() => document.querySelector("#captions select[name=model]").selectedOptions[0]?.textContent === "rnn, the default");
    });

    await test("shipped_ones_cannot_be_deleted", async () => {
        await openPanel(page, "models");
        check(await page.locator("button[aria-label^='Delete']").count() === 0);
    });
});
