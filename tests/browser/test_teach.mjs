#!/usr/bin/env node
// Correct it and it learns, without leaving the page: captions are put right and saved, a training goes on from the default
// captioner, its score is compared with the base's, and it is activated and captions.
import { check, openPanel, run } from "./browser.mjs";
import { lessons, upload } from "./pictures.mjs";

await run(["--models", "lstm"], async ({ page, daemon, test }) => {
    const api = async (path) => (await fetch(daemon.url + path)).json();
    const card = (i) => page.locator(".card").nth(i);

    await test("a_corrected_caption_is_saved_with_one_click", async () => {
        await page.setInputFiles("[data-photos=captions] input", lessons.map((l) => upload(l)));
        await page.waitForFunction((n) => document.querySelectorAll(".card > .telling > .said[aria-busy=false]").length === n, lessons.length);
        await card(0).locator(".sentence").fill("a thing");
        await card(0).locator("button:text-is('Save to dataset')").click();
        await card(0).locator(".badge:text-is('in corrections')").waitFor();
        check((await api("/v1/datasets/corrections/items")).items[0].captions.join() === "a thing");
    });

    await test("saved_again_the_new_caption_takes_the_place_of_the_old", async () => {
        await card(0).locator(".sentence").fill(lessons[0].caption);
        await card(0).locator("button:text-is('Save to dataset')").click();
        await card(0).locator(".badge:text-is('in corrections')").waitFor();
        const { items } = await api("/v1/datasets/corrections/items");
        check(items.length === 1 && items[0].captions.join() === lessons[0].caption, items);
    });

    await test("all_that_were_edited_are_saved_at_once", async () => {
        for (let i = 1; i < lessons.length; i++) await card(i).locator(".sentence").fill(lessons[i].caption);
        await page.click("#save-edited");
        await page.waitForSelector(`#lessons-told:has-text('${lessons.length} photos to learn from')`);
        check((await api("/v1/datasets/corrections")).items === lessons.length);
    });

    await test("the_training_is_filled_in_and_goes_on_from_the_default", async () => {
        await page.click("#lessons-told a");
        await page.waitForFunction(() => document.querySelector("#train-form [name=model]").value === "lstm-corrections");
        check(await page.inputValue("#train-form [name=dataset]") === "corrections" && await page.inputValue("#train-form [name=base]") === "lstm");
        check(!(await page.isVisible("#train-form [name=hidden]")));
        await page.fill("#train-form [name=epochs]", "3");
        await page.click("#train-form button.primary");
        await page.waitForSelector("#job-open h2:has-text('lstm-corrections')");
        check(new URL(page.url()).hash === "#/training/1", page.url());
    });

    await test("trainings_are_queued_behind_each_other_and_listed_by_name", async () => {
        await page.fill("#train-form [name=model]", "next");
        await page.click("#train-form button.primary");
        await page.waitForSelector("#job-list a:text-is('next')");
        await page.waitForSelector("#job-list a:text-is('lstm-corrections')");
        check((await api("/v1/jobs")).jobs.map((job) => job.model).join() === "next,lstm-corrections");
        await page.click("#job-open button:text-is('Cancel')");
        await page.waitForSelector("#job-open .state.cancelled");
    });

    await test("a_link_leads_to_its_job_which_compares_and_shows_its_photos", async () => {
        await page.goto(`${daemon.url}/#/training/1`);
        await page.reload();
        await page.waitForSelector("#job-open .state.succeeded");
        const { progress } = await api("/v1/jobs/1"), best = progress.dev_scores.filter((s) => s.best).at(-1);
        await page.waitForSelector("#job-open .offer");
        const told = await page.innerText("#job-open .offer");
        check(told.includes(best.cider.toFixed(3)), told, best);
        check(await page.locator("#job-open svg.curve").count() === 2 && await page.isVisible("#job-open svg.curve >> nth=1"));
        await page.waitForFunction((n) => [...document.querySelectorAll("#job-open .samples img")].filter((i) => i.naturalWidth === 96).length === n, progress.samples.length);
    });

    await test("its_model_is_downloaded", async () => {
        const [file] = await Promise.all([page.waitForEvent("download"), page.click("#job-open button:text-is('Download the model')")]);
        check(file.suggestedFilename() === "lstm-corrections.safetensors");
    });

    await test("it_is_activated_and_captions", async () => {
        await page.click("#job-open button:text-is('Activate lstm-corrections')");
        await page.waitForSelector("#job-open .offer:has-text('is the default now')");
        await page.click("#job-open .offer a");
        await card(0).locator("button:text-is('Caption again')").click();
        await card(0).locator(".facts:has-text('lstm-corrections')").waitFor();
        check((await api("/v1/models")).models.find((m) => m.default).name === "lstm-corrections");
        await openPanel(page, "models");
        await page.waitForSelector("#models tr:has(th:text-is('lstm-corrections')) .badge");
    });
});
