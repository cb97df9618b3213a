#!/usr/bin/env node
// From nothing to a captioner of one's own, without leaving the page: a dataset, its photos, a training with its curve
// as it learns, the new model made the default.
import { check, openPanel, run } from "./browser.mjs";
import { lessons, upload } from "./pictures.mjs";

const sheet = { name: "captions.tsv", mimeType: "text/tab-separated-values", buffer: Buffer.from(lessons.map((l) => `${l.name}\t${l.caption}\n`).join("")) };

await run(["--models", "lstm"], async ({ page, daemon, test }) => {
    const api = async (path) => (await fetch(daemon.url + path)).json();

    await test("a_dataset_is_created", async () => {
        await openPanel(page, "datasets");
        await page.waitForSelector("#dataset-list .empty");
        await page.fill("#dataset-new input", "lessons");
        await page.click("#dataset-new button");
        await page.waitForSelector("#dataset-open h2:text-is('lessons')");
        check((await api("/v1/datasets/lessons")).items === 0);
    });

    await test("a_photo_is_added_with_two_captions", async () => {
        await page.setInputFiles("#dataset-open input[type=file]", upload(lessons[0]));
        await page.fill("#dataset-open textarea", "a red disc\nsomething round");
        await page.click("#dataset-open button.primary");
        await page.waitForSelector("#dataset-open .items li:has-text('something round')");
        check((await api("/v1/datasets/lessons")).captions === 2);
        await page.waitForFunction(() => document.querySelector(".items img").naturalWidth === 96);
    });

    await test("a_photo_without_caption_is_refused_with_the_reason", async () => {
        await page.setInputFiles("#dataset-open input[type=file]", upload(lessons[1]));
        await page.click("#dataset-open button.primary");
        await page.waitForSelector("#dataset-open .problem:has-text('A caption is missing')");
    });

    await test("a_photo_is_deleted", async () => {
        await page.click("#dataset-open button[aria-label='Delete the photo: a red disc']");
        await page.waitForFunction(() => !document.querySelector("#dataset-open .items li"));
        check((await api("/v1/datasets/lessons")).items === 0);
    });

    await test("a_bad_photo_among_good_ones_is_named_and_the_others_are_stored", async (allow) => {
        allow(/status of 422/);
        const bad = { ...upload(lessons[1]), name: "cut.png", buffer: lessons[1].buffer.subarray(0, 60) };
        await page.setInputFiles("#dataset-open input[type=file]", [bad, upload(lessons[0])]);
        await page.fill("#dataset-open textarea", "a thing");
        await page.click("#dataset-open button.primary");
        await page.waitForSelector("#dataset-open .notice:has-text('1 of 2 stored')");
        const told = await page.innerText("#dataset-open .problem[role=alert]");
        check(/^cut\.png: .+: \S/.test(told), told);
        await page.waitForSelector("#dataset-open .facts:has-text('1 photos')");
        await page.waitForSelector("#dataset-list tr:has-text('lessons'):has(td:text-is('1'))");
        check(await page.locator("#dataset-open .items li").count() === 1);
        await page.click("#dataset-open .items button");
        await page.waitForFunction(() => !document.querySelector("#dataset-open .items li"));
    });

    await test("many_photos_are_added_with_a_table_of_captions", async () => {
        await page.setInputFiles("#dataset-open input[type=file]", [...lessons.map((l) => upload(l)), sheet]);
        await page.click("#dataset-open button.primary");
        await page.waitForSelector(`#dataset-open .notice:has-text('${lessons.length} of ${lessons.length} stored')`);
        const { items } = await api("/v1/datasets/lessons/items");
        check(items.length === lessons.length && items.every((item, i) => item.captions[0] === lessons[i].caption), items);
        await page.waitForSelector(`#dataset-list tr:has-text('lessons'):has(td:text-is('${lessons.length}'))`);
    });

    const start = async (name, options) => {
        await page.fill("#train-form input[name=model]", name);
        for (const [option, value] of Object.entries(options)) await page.fill(`#train-form input[name=${option}]`, String(value));
        await page.click("#train-form button.primary");
        await page.waitForSelector(`#job-open h2:has-text('${name}')`);
    };
    const small = { minimum_captions: 1, hidden: 96, words: 32, batch: 4, learning_rate: 0.004, minimum_count: 1 };

    await test("a_training_draws_its_curve_while_it_learns", async () => {
        await openPanel(page, "training");
        await page.waitForSelector("#train-form select[name=dataset] option[value=lessons]", { state: "attached" });
        await page.selectOption("#train-form [name=base]", "*");
        await page.click("#train-form summary");
        await start("endless", { ...small, epochs: 100000, dev_fraction: 0 }); // nothing to score: nothing to end it early
        const longer = (n) => page.waitForFunction((least) => {
            const points = (document.querySelector("#job-open .line").getAttribute("d") || "").split("L").length;
            return points > least && points;
        }, n).then((handle) => handle.jsonValue());
        await longer(await longer(1));
        check(await page.locator("#job-open .state.running").count() === 1);
    });

    await test("a_training_is_cancelled", async () => {
        check(new URL(page.url()).hash === "#/training/1", page.url());
        await page.click("#job-open button:text-is('Cancel')");
        await page.waitForSelector("#job-open .state.cancelled");
        await page.waitForSelector("#job-list .state.cancelled");
        check(!(await page.isVisible("#job-open button:text-is('Cancel')")));
        check((await api("/v1/jobs/1")).state === "cancelled");
        check((await page.locator("#job-list thead").textContent()).includes("Created"));
    });

    await test("its_end_is_shown_with_scores_and_sample_captions", async () => {
        await start("mine", { ...small, epochs: 60, dev_fraction: 0.2 });
        await page.waitForSelector("#job-open .state.succeeded");
        const job = await api("/v1/jobs/2"), losses = job.progress.loss_history.map((p) => p[1]);
        check(losses.at(-1) < losses[0] - 0.5, losses);
        await page.waitForSelector("#job-open .samples li");
        const said = await page.locator("#job-open .samples .sentence").allInnerTexts();
        check(said.length === job.progress.samples.length, said);
        job.progress.samples.forEach((s, i) => check(said[i].toLowerCase() === (s.caption || "…"), said[i], s.caption));
        check((await page.innerText("#job-open table")).includes(job.progress.dev_scores.at(-1).cider.toFixed(3)));
        check(/^Loss of mine: /.test(await page.locator("#job-open svg title").first().textContent()));
        await page.waitForSelector("#job-list .state.succeeded");
    });

    await test("trainings_are_listed_however_many_other_jobs_came_after", async () => {
        const train = { ...await api("/v1/jobs/1") }, others = Array.from({ length: 250 }, (_, i) => ({ ...train, id: 1000 - i, kind: "dream" }));
        await page.route("**/v1/jobs?*", (route) => {
            const after = Number(new URL(route.request().url()).searchParams.get("after") || Infinity);
            const rest = [...others, train].filter((job) => job.id < after), jobs = rest.slice(0, 100);
            return route.fulfill({ json: { jobs, ...(rest.length > 100 ? { next: `/v1/jobs?limit=100&after=${jobs.at(-1).id}` } : {}) } });
        });
        await openPanel(page, "models");
        await openPanel(page, "training");
        await page.waitForFunction(() => document.querySelectorAll("#job-list tbody tr").length === 1);
        await page.unroute("**/v1/jobs?*");
    });

    await test("the_curve_is_read_on_a_phone", async () => {
        const size = page.viewportSize();
        await page.setViewportSize({ width: 360, height: 780 });
        await page.waitForFunction(() => {
            const svg = document.querySelector("#job-open svg"), text = svg.querySelector("text");
            return text && svg.getScreenCTM().a * parseFloat(getComputedStyle(text).fontSize) >= 11 && [...svg.querySelectorAll("text")].every((t) => t.getBoundingClientRect().right <= innerWidth);
        });
        await page.setViewportSize(size);
    });

    await test("the_new_model_is_made_the_default", async () => {
        await openPanel(page, "models");
        await page.click("button[aria-label='Make default: mine']");
        await page.waitForSelector("#models tr:has(th:text-is('mine')) .badge");
        check((await api("/v1/models")).models.find((m) => m.default).name === "mine");
    });

    await test("a_name_that_is_taken_is_refused_with_the_reason", async (allow) => {
        allow(/status of 409/);
        await openPanel(page, "training");
        await page.fill("#train-form input[name=model]", "mine");
        await page.click("#train-form button.primary");
        await page.waitForSelector("#train-fault .problem:has-text('mine')");
    });

    await test("a_model_is_deleted_by_key_and_the_focus_goes_on", async () => {
        await openPanel(page, "models");
        await page.focus("button[aria-label='Make default: lstm']");
        await page.keyboard.press("Enter");
        await page.waitForSelector("#models tr:has(th:text-is('lstm')) .badge");
        await page.focus("button[aria-label='Delete mine']");
        await page.keyboard.press("Enter");
        await page.keyboard.press("Enter");
        await page.waitForSelector("#model-live:has-text('mine is deleted')");
        check((await api("/v1/models")).models.every((m) => m.name !== "mine"));
        check(await page.evaluate(() => document.activeElement.closest("#model-list tr") !== null), "the focus is lost");
    });

    await test("a_dataset_is_deleted_when_asked_twice", async () => {
        await openPanel(page, "datasets");
        await page.click("#dataset-list button[aria-label='Delete lessons']");
        await page.click("#confirm-dialog button:text-is('Cancel')");
        check((await api("/v1/datasets")).datasets.length === 1);
        await page.click("#dataset-list button[aria-label='Delete lessons']");
        await page.click("#confirm-yes");
        await page.waitForSelector("#dataset-list .empty");
        check((await api("/v1/datasets")).datasets.length === 0);
    });
});
