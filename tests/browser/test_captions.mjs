#!/usr/bin/env node
// Photos come in by picking, dropping and pasting; captions come out with a probability for each word.
import { check, run } from "./browser.mjs";
import { lessons, photo, upload } from "./pictures.mjs";

const PLACE = "[data-photos=captions]";

await run([], async ({ page, daemon, test }) => {
    const cards = page.locator(".card"), first = cards.first();
    const said = async (card) => {
        await card.locator(".facts").waitFor();
        return card.locator(".sentence").inputValue();
    };
    const api = async (file, query) => (await (await fetch(`${daemon.url}/v1/caption?${query}`, { method: "POST", body: file.buffer, headers: { "Content-Type": file.mimeType } })).json()).captions[0];
    const clear = async () => {
        while (await cards.count()) await page.click(".card button:text-is('Remove') >> nth=0");
    };
    // A DataTransfer in the page, as dropping and pasting give it.
    const transfer = (files) => page.evaluateHandle((all) => {
        const data = new DataTransfer();
        for (const { name, type, bytes } of all) data.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type }));
        return data;
    }, files.map((f) => ({ name: f.name, type: f.mimeType, bytes: f.buffer.toString("base64") })));

    await test("a_picked_photo_gets_its_caption", async () => {
        await page.setInputFiles(`${PLACE} input`, photo());
        const wanted = await api(photo(), "logprobs=true");
        check(await said(first) === wanted.text, await said(first), wanted.text);
        check(await first.locator("img").first().getAttribute("alt") === wanted.text);
        check((await page.textContent("#captions-live")).includes(wanted.text), "it is not announced");
    });

    await test("each_word_has_its_probability", async () => {
        const wanted = await api(photo(), "logprobs=true"), words = await first.locator(".word").allInnerTexts();
        check(words.length === wanted.tokens.length, words);
        wanted.tokens.forEach((token, i) => {
            const p = Math.exp(token.logprob), shown = p >= 0.995 ? "99+ %" : p >= 0.01 ? `${Math.round(100 * p)} %` : "< 1 %";
            check(words[i].includes(token.word === "<END>" ? "end" : token.word) && words[i].includes(shown), words[i], token);
        });
    });

    await test("dropped_photos_get_captions", async () => {
        await clear();
        await page.dispatchEvent(PLACE, "drop", { dataTransfer: await transfer([upload(lessons[0]), upload(lessons[5])]) });
        for (const i of [0, 1]) check(await said(cards.nth(i)) !== "");
        check(await cards.count() === 2);
    });

    await test("a_pasted_photo_gets_its_caption", async () => {
        await clear();
        const clipboardData = await transfer([upload(lessons[3])]);
        await page.evaluate((data) => document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true })), clipboardData);
        check(await said(first) === (await api(upload(lessons[3]), "logprobs=true")).text);
    });

    await test("model_and_search_are_chosen", async () => {
        await page.selectOption("#captions [name=model]", "rnn");
        await page.selectOption("#captions [name=decode]", "beam");
        await page.fill("#captions [name=beam]", "4");
        await page.fill("#captions [name=n]", "3");
        await first.locator("button:text-is('Caption again')").click();
        await first.locator(".facts:has-text('rnn')").waitFor();
        const wanted = await api(upload(lessons[3]), "model=rnn&decode=beam&beam=4&n=3&logprobs=true");
        check(await said(first) === wanted.text, await said(first), wanted.text);
        check(await first.locator(".alternatives li").count() === 3);
        const said3 = [wanted, ...wanted.alternatives], shown = (await first.locator(".alternatives .p").allInnerTexts()).map(Number);
        said3.forEach((c, i) => check(Math.abs(shown[i] - c.logprob / ((6 + c.words) / 6) ** 1.5) < 0.01, shown, c));
        check(shown.every((x, i) => i === 0 || x <= shown[i - 1]), "not in the order that is told:", shown);
        check((await first.locator(".alternatives").getAttribute("aria-label")).startsWith("Best first, by"));
    });

    await test("another_caption_of_the_beam_is_chosen", async () => {
        const second = first.locator(".alternatives button").nth(1);
        const text = (await second.innerText()).replace(/\s*-[\d.]+$/, "");
        await second.click();
        check(await said(first) === text, text);
        check(await first.locator(".alternatives button").nth(1).getAttribute("aria-pressed") === "true");
    });

    await test("samples_differ_by_temperature_and_are_several", async () => {
        await page.selectOption("#captions [name=decode]", "sample");
        check(await page.isVisible("#captions [name=temperature]") && !(await page.isVisible("#captions [name=beam]")));
        await first.locator("button:text-is('Caption again')").click();
        await first.locator(".said[aria-busy=false] .alternatives li").nth(2).waitFor();
        check((await first.locator(".alternatives").getAttribute("aria-label")).startsWith("Drawn by chance"));
    });

    await test("a_broken_photo_is_told_with_its_reason", async (allow) => {
        allow(/status of 4/);
        await page.setInputFiles(`${PLACE} input`, { name: "broken.png", mimeType: "image/png", buffer: lessons[0].buffer.subarray(0, 60) });
        await cards.last().locator(".problem[role=alert]").waitFor();
        check(/truncated/i.test(await cards.last().locator(".problem").innerText()), await cards.last().locator(".problem").innerText());
    });

    await test("a_problems_title_is_parted_from_its_detail", async (allow) => {
        allow(/status of 400/);
        await page.setInputFiles(`${PLACE} input`, { name: "empty.png", mimeType: "image/png", buffer: Buffer.alloc(0) });
        const told = await cards.last().locator(".problem").innerText();
        check(told === "The request has no body: send an image, form data or JSON", told);
    });

    await test("what_is_no_photo_is_not_taken", async () => {
        await clear();
        await page.dispatchEvent(PLACE, "drop", { dataTransfer: await transfer([{ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("text") }]) });
        check(await cards.count() === 0);
        check(page.url().startsWith(daemon.url));
        const told = await page.innerText(`${PLACE} [role=alert]`);
        check(/a\.txt.*JPEG/.test(told), "it is not told:", told);
        await page.setInputFiles(`${PLACE} input`, upload(lessons[0]));
        check(await page.textContent(`${PLACE} [role=alert]`) === "", "the fault stays");
    });
});
