#!/usr/bin/env node
// A click on a word: where the model looked, and why it wrote it.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { captiond, check, run } from "./browser.mjs";
import { lessons, photo } from "./pictures.mjs";

// A small captioner that looks at places, taught in a moment: what it says does not matter here.
function teach(scratch) {
    const images = join(scratch, "images"), file = join(scratch, "looks.safetensors");
    mkdirSync(images);
    for (const l of lessons) writeFileSync(join(images, l.name), l.buffer);
    writeFileSync(join(scratch, "captions.tsv"), lessons.map((l) => `${l.name}\t${l.caption}\n`).join(""));
    captiond("train", "--from-scratch", "--minimum-captions", "1", "--kind", "attention", "--images", images, "--captions", join(scratch, "captions.tsv"), "--out", file,
        "--hidden", "64", "--words", "32", "--epochs", "40", "--batch", "4", "--minimum-count", "1", "--cache", join(scratch, "cache"));
    return ["--models", `lstm,${file}`, "--model", "lstm"];
}

await run(teach, async ({ page, daemon, test }) => {
    const { models } = await (await fetch(`${daemon.url}/v1/models`)).json();
    const attentive = models.find((m) => m.kind === "attention"), plain = models.find((m) => m.kind !== "attention");
    const card = page.locator(".card").first(), words = card.locator(".word");
    const caption = async (model) => {
        if (await card.count()) await card.locator("button:text-is('Remove')").click();
        await page.selectOption("#captions [name=model]", model);
        await page.setInputFiles("[data-photos=captions] input", photo());
        await card.locator(`.facts:has-text('${model}')`).waitFor();
    };
    const ink = (canvas) => canvas.evaluate((c) => {
        const pen = new OffscreenCanvas(c.width, c.height).getContext("2d", { willReadFrequently: true });
        pen.drawImage(c, 0, 0);
        const { data } = pen.getImageData(0, 0, c.width, c.height);
        const alphas = data.filter((_, i) => i % 4 === 3);
        return { least: Math.min(...alphas), most: Math.max(...alphas), hash: alphas.reduce((a, x) => (a * 31 + x) % 1000003, 7) };
    });
    const explained = async () => {
        await page.waitForFunction(() => {
            const map = document.querySelector(".card .map");
            return map && !map.hidden && map.naturalWidth > 0 && document.querySelector(".card .frame").getAttribute("aria-busy") === "false";
        });
        return card.locator(".map").evaluate((img) => img.src);
    };

    await test("without_attention_the_reason_is_shown_alone", async () => {
        await caption(plain.name);
        await words.nth(1).click();
        await explained();
        check((await card.locator(".about").innerText()).includes("no place where it looked"));
        check(!(await card.locator(".veil").isVisible()));
        check(await words.nth(1).getAttribute("aria-pressed") === "true");
    });

    await test("another_word_and_another_method_have_another_picture", async () => {
        const before = await explained();
        await words.nth(2).click();
        await page.waitForFunction((src) => document.querySelector(".card .map").src !== src, before);
        const second = await explained();
        await card.locator("select[aria-label=Method]").selectOption("gradcam");
        await page.waitForFunction((src) => document.querySelector(".card .map").src !== src, second);
        check((await card.locator(".map").getAttribute("alt")).startsWith("Grad-CAM saliency of"));
    });

    // What the daemon explains when asked what the page asked: the word that was clicked, of the caption that is shown.
    const explains = async (n) => {
        const asked = page.waitForRequest("**/v1/saliency?*"), body = photo();
        await words.nth(n).click();
        const url = (await asked).url(), headers = { "Content-Type": body.mimeType };
        await explained();
        const { target, saliency } = await (await fetch(`${url}&size=7`, { method: "POST", headers, body: body.buffer })).json();
        const shown = { word: await words.nth(n).locator(".spelt").innerText(), caption: await card.locator(".sentence").inputValue() };
        check(target.word === shown.word && target.index === n && target.caption === shown.caption, target, shown);
        return JSON.stringify(saliency);
    };

    await test("the_map_is_of_that_word_of_the_caption_that_is_shown", async () => {
        const again = async (fields) => {
            for (const [name, value] of Object.entries(fields)) await (name === "decode" ? page.selectOption("#captions [name=decode]", value) : page.fill(`#captions [name=${name}]`, value));
            await card.locator("button:text-is('Caption again')").click();
            await card.locator(".said[aria-busy=false] .facts").waitFor();
        };
        await again({ decode: "beam", n: "3" });
        await card.locator(".alternatives button").nth(2).click();
        for (const n of [0, 2]) await explains(n);
        await page.route("**/v1/caption?*", (route) => route.continue({ url: `${route.request().url()}&seed=7` })); // the same words every time
        await again({ decode: "sample", temperature: "5" });
        await page.unroute("**/v1/caption?*");
        for (const n of [0, 2]) await explains(n);
    });

    await test("a_word_that_is_there_twice_has_two_maps", async () => {
        await page.route("**/v1/caption?*", async (route) => {
            const response = await route.fetch(), answer = await response.json(), tokens = ["a", "man", "on", "a"].map((word) => ({ word, logprob: -1 }));
            await route.fulfill({ response, json: { ...answer, captions: [{ ...answer.captions[0], text: "a man on a", tokens }] } });
        });
        await card.locator("button:text-is('Caption again')").click();
        await page.waitForFunction(() => document.querySelector(".card .sentence").value === "a man on a");
        check(await explains(0) !== await explains(3), "one map for both");
        await page.unroute("**/v1/caption?*");
        await page.selectOption("#captions [name=decode]", "greedy");
        await card.locator("button:text-is('Caption again')").click();
        await page.waitForFunction(() => !["", "a man on a"].includes(document.querySelector(".card .sentence").value));
        await card.locator(".said[aria-busy=false] .facts").waitFor();
        await words.nth(2).click();
        await explained();
    });

    await test("arrows_go_from_word_to_word", async () => {
        await words.nth(2).focus();
        await page.keyboard.press("ArrowLeft");
        check(await words.nth(1).getAttribute("aria-pressed") === "true");
        check(await words.nth(1).evaluate((b) => b === document.activeElement));
    });

    await test("a_second_click_puts_it_away", async () => {
        await words.nth(1).click();
        check(!(await card.locator(".detail").isVisible()));
    });

    await test("with_attention_the_place_is_lit", async () => {
        await caption(attentive.name);
        await words.first().click();
        const veil = card.locator(".veil"), one = await ink(veil);
        check(await veil.isVisible() && one.least < 20 && one.most > one.least + 10, one);
        check(/looked mostly at the (top|middle|bottom) (left|centre|right)/.test(await card.locator(".about").innerText()));
        await explained();
        await words.last().click();
        check((await ink(veil)).hash !== one.hash, "two words, one place");
    });

    await test("every_word_has_a_small_picture_of_its_place", async () => {
        check(await words.count() === await card.locator(".word canvas").count());
    });
});
