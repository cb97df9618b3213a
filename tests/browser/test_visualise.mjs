#!/usr/bin/env node
// The five visualisations, with the pictures on the way.
import { check, openPanel, run } from "./browser.mjs";
import { photo } from "./pictures.mjs";

await run(["--models", "lstm"], async ({ page, daemon, test }) => {
    const result = page.locator("#visualise-result");
    const choose = (kind) => page.check(`#visualise-form input[value=${kind}]`);
    const show = () => page.click("#visualise-form button.primary");
    const decoded = (locator) => locator.evaluate((img) => img.complete && img.naturalWidth > 0);
    const jobs = async () => (await (await fetch(`${daemon.url}/v1/jobs`)).json()).jobs;

    await test("a_photo_is_asked_for_first", async () => {
        await openPanel(page, "visualise");
        await show();
        await result.locator(".problem:has-text('Choose a photo first')").waitFor();
    });

    for (const method of ["gradient", "smoothgrad", "gradcam"])
        await test(`saliency_by_${method}`, async () => {
            await page.setInputFiles("#visualise-form input[type=file]", photo());
            await choose("saliency");
            await page.selectOption("#visualise-form [name=method]", method);
            await show();
            await result.locator(`.facts:has-text('${method}')`).waitFor();
            check(await result.locator("img").count() === 2);
            for (const i of [0, 1]) check(await decoded(result.locator("img").nth(i)));
        });

    await test("a_class_that_does_not_exist_is_told", async (allow) => {
        allow(/status of 400/);
        await page.fill("#visualise-form [name=class]", "no such thing");
        await show();
        await result.locator(".problem:has-text('no such thing')").waitFor();
    });

    await page.evaluate(() => {
        window.previews = 0;
        document.addEventListener("load", (e) => (window.previews += e.target.alt === "The picture so far"), true);
    });
    const previews = () => page.evaluate(() => window.previews);

    const newest = async () => (await jobs())[0] ?? { id: 0 };
    const ended = async (before) => {
        for (;;) {
            const job = await newest();
            if (job.id > before && !["queued", "running"].includes(job.state)) return job;
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
    };

    // A picture so far must be there while the job runs (one that fools may be over before), the result at its end. The
    // page may ask for a picture so far that the end of the job has just removed.
    const runs = (kind, fields, pictures) => async (allow) => {
        allow(/status of 404 .*\/preview-/);
        await choose(kind);
        for (const [name, value] of Object.entries(fields))
            if (name === "layer") await page.selectOption("#visualise-form [name=layer]", value);
            else await page.fill(`#visualise-form [name=${name}]`, String(value));
        const before = await previews(), { id } = await newest();
        await show();
        const job = await ended(id);
        check(job.kind === kind && job.state === "succeeded", job);
        await result.locator(".state.succeeded").waitFor();
        check(kind === "fool" || await previews() > before, "no picture on the way");
        await page.waitForFunction((n) => {
            const all = [...document.querySelectorAll("#visualise-result .pictures img")];
            return all.length === n && all.every((i) => i.complete && i.naturalWidth > 0);
        }, pictures);
        check((await result.locator(".line").getAttribute("d")).includes("L"), "no curve");
    };

    await test("a_fooling_image", runs("fool", { class: "goldfish", steps: 60 }, 3));
    await test("a_class_image", runs("visualize", { class: "goldfish", steps: 60 }, 1));
    await test("an_inversion", runs("invert", { layer: "shallow", steps: 60 }, 2));
    await test("a_dream", runs("dream", { layer: "middle", steps: 6, octaves: 2 }, 2));

    await test("one_is_cancelled", async () => {
        await choose("visualize");
        await page.fill("#visualise-form [name=class]", "goldfish");
        await page.fill("#visualise-form [name=steps]", "300");
        await show();
        await page.click("#visualise-cancel");
        await result.locator(".state.cancelled").waitFor();
        check((await jobs())[0].state === "cancelled");
    });
});
