#!/usr/bin/env node
// The workbench: captions put right in place, copied, exported, kept over a reload; failures tried again; a daemon that is
// busy is waited for; what it was not built for is converted in the browser.
import { readFileSync } from "node:fs";
import { check, openPanel, run } from "./browser.mjs";
import { lessons, upload } from "./pictures.mjs";

const PLACE = "[data-photos=captions] input";
const named = (lesson, name) => ({ ...upload(lesson), name });

await run(["--models", "lstm,rnn"], async ({ page, daemon, test }) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const cards = page.locator(".card"), field = (i) => cards.nth(i).locator(".sentence");
    const button = (i, text) => cards.nth(i).locator(`button:text-is('${text}')`);
    const allDone = (n) => page.waitForFunction((wanted) => document.querySelectorAll(".card > .telling > .said[aria-busy=false]").length === wanted, n);
    const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
    const exported = async (id) => {
        const [file] = await Promise.all([page.waitForEvent("download"), page.click(id)]);
        return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8") };
    };
    const clear = async () => {
        if (!(await cards.count())) return;
        await page.click("#remove-all");
        await page.click("#confirm-yes");
        await page.waitForFunction(() => !document.querySelector(".card"));
    };

    await test("photos_stand_in_the_order_in_which_they_were_picked_with_their_names", async () => {
        const names = ["b.png", "a, second.png", "c <&>.png"];
        await page.setInputFiles(PLACE, names.map((name, i) => named(lessons[i], name)));
        await allDone(3);
        check(JSON.stringify(await page.locator(".card .file").allInnerTexts()) === JSON.stringify(names));
        check(/^3 photos/.test(await page.innerText("#caption-counts")));
    });

    await test("a_caption_is_put_right_in_place_and_copied", async () => {
        await field(0).fill('a "red" disc & more');
        await cards.nth(0).locator(".badge:text-is('edited')").waitFor();
        await button(0, "Copy").click();
        await button(0, "Copied").waitFor();
        check(await clipboard() === 'a "red" disc & more', await clipboard());
        await button(0, "Copy as <img alt>").click();
        await page.waitForFunction(() => navigator.clipboard.readText().then((text) => text === '<img src="b.png" alt="a &quot;red&quot; disc &amp; more">'));
        await cards.nth(0).locator(".alternatives li").waitFor(); // what the captioner had said
    });

    await test("a_decorative_photo_has_an_empty_alternative_text", async () => {
        await cards.nth(1).locator("[name=decorative]").check();
        check(await field(1).inputValue() === "" && await field(1).isDisabled());
        await button(1, "Copy as <img alt>").click();
        await page.waitForFunction(() => navigator.clipboard.readText().then((text) => text === '<img src="a,%20second.png" alt="">'));
    });

    await test("unsure_captions_are_marked_below_a_confidence_that_is_chosen", async () => {
        await page.fill("#unsure-below", "1");
        await cards.nth(2).locator(".badge:has-text('unsure')").waitFor();
        check(await cards.nth(0).locator(".badge:has-text('unsure')").count() === 0, "what a human wrote is unsure");
        await page.fill("#unsure-below", "0");
        check(await cards.nth(2).locator(".badge:has-text('unsure')").count() === 0);
        await page.fill("#unsure-below", "1");
    });

    await test("all_are_copied_and_exported", async () => {
        const third = await field(2).inputValue();
        await page.click("#copy-all");
        await page.waitForFunction((text) => navigator.clipboard.readText().then((t) => t === text), `b.png\ta "red" disc & more\na, second.png\t\nc <&>.png\t${third}`);
        const csv = await exported("#export-csv"), rows = csv.text.split("\r\n");
        check(csv.name === "captions.csv" && rows[0] === "file,alt,decorative,edited,unsure,confidence,model,error", csv);
        check(rows[1].startsWith('b.png,"a ""red"" disc & more",false,true,false,0.') && rows[2].startsWith('"a, second.png",,true,'), rows);
        const json = await exported("#export-json"), all = JSON.parse(json.text);
        check(json.name === "captions.json" && all.length === 3 && all[1].alt === "" && all[1].decorative && all[2].alt === third && all[2].unsure && all[2].model === "lstm", all);
    });

    await test("nothing_is_lost_on_reload", async () => {
        const third = await field(2).inputValue();
        await page.reload();
        await allDone(3);
        check(await field(0).inputValue() === 'a "red" disc & more' && await field(2).inputValue() === third);
        check(await cards.nth(1).locator("[name=decorative]").isChecked());
        check((await page.locator(".card .file").allInnerTexts()).join() === "b.png,a, second.png,c <&>.png");
        await cards.nth(2).locator(".word").first().waitFor();
    });

    await test("caption_again_with_another_model_leaves_what_a_human_wrote", async () => {
        await page.selectOption("#captions [name=model]", "rnn");
        await page.click("#caption-all");
        await cards.nth(2).locator(".facts:has-text('rnn')").waitFor();
        await allDone(3);
        check(await field(0).inputValue() === 'a "red" disc & more');
        await cards.nth(0).locator(".alternatives button").click();
        check(await field(0).inputValue() !== 'a "red" disc & more' && await cards.nth(0).locator(".badge:text-is('edited')").count() === 0);
        await page.selectOption("#captions [name=model]", "");
    });

    await test("a_busy_daemon_is_asked_again_when_it_says", async (allow) => {
        allow(/status of 503/);
        await clear();
        const asked = [];
        await page.route("**/v1/caption?*", (route) => {
            asked.push(Date.now());
            return asked.length > 1 ? route.continue() : route.fulfill({ status: 503, headers: { "Retry-After": "2" }, json: { type: "urn:captiond:problem:queue-full", title: "The queue is full", status: 503 } });
        });
        await page.setInputFiles(PLACE, named(lessons[0], "busy.png"));
        await page.waitForSelector("#queue-held:has-text('goes on in 2 s')");
        await allDone(1);
        check(asked.length === 2 && asked[1] - asked[0] >= 1900, asked);
        check(await field(0).inputValue() !== "" && await cards.nth(0).locator(".problem").count() === 0);
        await page.unroute("**/v1/caption?*");
    });

    await test("one_that_failed_and_all_that_failed_are_tried_again", async (allow) => {
        allow(/status of 504/);
        await clear();
        let broken = true;
        await page.route("**/v1/caption?*", (route) => (broken ? route.fulfill({ status: 504, json: { title: "The answer was not ready in time", status: 504 } }) : route.continue()));
        await page.setInputFiles(PLACE, [0, 1, 2].map((i) => upload(lessons[i])));
        await page.waitForSelector("#caption-counts:has-text('3 failed')");
        broken = false;
        await button(1, "Retry").click();
        await page.waitForSelector("#caption-counts:has-text('2 failed')");
        await page.click("#retry-failed");
        await page.waitForFunction(() => !/failed/.test(document.getElementById("caption-counts").textContent));
        await allDone(3);
        check(await page.locator(".card .problem").count() === 0 && !(await page.isVisible("#retry-failed")));
        await page.unroute("**/v1/caption?*");
    });

    await test("what_the_daemon_does_not_read_is_converted_in_the_browser", async (allow) => {
        allow(/status of 415/);
        await clear();
        const drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><rect width="300" height="200" fill="green"/></svg>';
        await page.setInputFiles(PLACE, { name: "drawing.svg", mimeType: "image/svg+xml", buffer: Buffer.from(drawing) });
        await allDone(1);
        check(await field(0).inputValue() !== "" && await cards.nth(0).locator(".problem").count() === 0, await cards.nth(0).innerText());
    });

    await test("progress_is_told_for_many_photos", async () => {
        await clear();
        const held = [];
        let open = false;
        await page.route("**/v1/caption?*", (route) => (open ? route.continue() : held.push(route)));
        await page.setInputFiles(PLACE, lessons.map((l) => upload(l)));
        await page.waitForSelector(`#caption-counts:has-text('${lessons.length} photos · ${lessons.length} to go')`);
        check(await page.isVisible("#caption-progress") && held.length <= 6, held.length);
        open = true;
        for (const route of held) await route.continue();
        await allDone(lessons.length);
        await page.waitForFunction(() => document.getElementById("caption-progress").hidden);
        await clear();
    });

    await test("the_api_reference_is_browsed_and_searched", async () => {
        await openPanel(page, "reference");
        const { routes } = await (await fetch(`${daemon.url}/`)).json();
        await page.waitForFunction((n) => document.querySelectorAll("#reference-list section > details").length === n, routes.length);
        await page.fill("#reference-search input", "saliency");
        check(await page.isVisible("#route-saliency") && !(await page.isVisible("#route-jobs")));
        await page.click("#route-saliency > summary");
        check(/curl --data-binary @photo\.jpg http/.test(await page.innerText("#route-saliency pre")));
        check((await page.innerText("#route-saliency table")).includes("method") && !(await page.innerText("#route-saliency")).includes("[object"));
    });

    await test("the_foot_tells_the_version_and_the_model_card", async () => {
        const { version } = await (await fetch(`${daemon.url}/`)).json();
        check(await page.innerText("#version") === `captiond ${version}`);
        await page.click(".foot a:text-is('Model card')");
        await page.waitForSelector("#card-text h3:text-is('Captioners')");
    });
});
