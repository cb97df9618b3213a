#!/usr/bin/env node
// The page behind a proxy that shows the daemon below a path, told by X-Forwarded-Prefix or not.
import { createServer, request } from "node:http";
import { check, openPanel, run } from "./browser.mjs";
import { photo } from "./pictures.mjs";

const PREFIX = "/captions";

// Takes the prefix off; what does not have it is an error of the page.
function startProxy(to, tells, strays) {
    const proxy = createServer((from, answer) => {
        if (!from.url.startsWith(`${PREFIX}/`)) {
            strays.push(from.url);
            answer.writeHead(404).end();
            return;
        }
        const headers = { ...from.headers, ...(tells ? { "x-forwarded-prefix": PREFIX } : {}) };
        const asked = request(to + from.url.slice(PREFIX.length), { method: from.method, headers }, (got) => {
            answer.writeHead(got.statusCode, got.headers);
            got.pipe(answer);
        });
        from.pipe(asked);
    });
    return new Promise((ready) => proxy.listen(0, "127.0.0.1", () => ready(proxy)));
}

await run(["--models", "lstm", "--trusted-proxy", "127.0.0.1", "--admin-key", "k"], async ({ page, daemon, test }) => {
    for (const tells of [true, false])
        await test(`a_photo_is_captioned_below_a_path_${tells ? "that_is" : "that_is_not"}_told`, async (allow) => {
            allow(/foreign: |status of 401/); // the proxy is what is asked
            const strays = [], proxy = await startProxy(daemon.url, tells, strays);
            await page.goto(`http://127.0.0.1:${proxy.address().port}${PREFIX}/`);
            await page.setInputFiles("[data-photos=captions] input", photo());
            await page.waitForSelector(".card .facts");
            await openPanel(page, "models");
            await page.waitForSelector("#models :text('lstm')");
            check(!strays.filter((url) => url !== "/favicon.ico").length, strays.join(" "));
            await page.goto("about:blank");
            proxy.closeAllConnections?.();
            proxy.close();
        });
});
