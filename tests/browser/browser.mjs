// browser.mjs: the real page of the real daemon in a real browser, for tests/browser/test_*.mjs.
//
//     import { check, run } from "./browser.mjs";
//     await run(["--models", "lstm"], async ({ page, daemon, test }) => {
//         await test("says_something", async () => check(await page.innerText("h1") === "captiond"));
//     });
//
// Prints TAP. What a page must never do fails the test in which it happens: errors on the console, uncaught errors,
// violations of the Content-Security-Policy, requests to anywhere but the daemon.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const BUILD = resolve(process.env.BUILD || "build");
const MODULES = resolve("build/browser");
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--force-color-profile=srgb"];

export const WAIT_MS = 120000; // never decides whether something is right, only how long a hang lasts

export function check(good, ...story) {
    if (!good) throw new Error(story.length ? story.map((s) => (typeof s === "string" ? s : JSON.stringify(s))).join(" ") : "is not so");
}

// ---- what it needs -------------------------------------------------------------------------------------------------

const executable = BROWSERS.find((path) => existsSync(path));

function load(name) {
    try {
        return createRequire(join(MODULES, "package.json"))(name);
    } catch {
        return null;
    }
}

const lacking = () => (!executable ? "chromium is not installed (tools/packages.sh browser)"
    : !load("playwright-core") || !load("axe-core") ? "playwright-core and axe-core are not there (tests/browser/modules.sh)" : null);

export const axeSource = () => load("axe-core").source;

// ---- the daemon ----------------------------------------------------------------------------------------------------

// Starts `captiond serve` on a free port, with a data directory of its own; waits until it is ready.
async function startDaemon(options, scratch) {
    const child = spawn(join(BUILD, "captiond"), ["serve", "--port", "0", "--data", join(scratch, "data"), "--background", "normal", ...options],
        { stdio: ["ignore", "ignore", "pipe"] });
    let log = "";
    const ended = new Promise((done) => child.on("exit", done));
    const port = await new Promise((found, fail) => {
        child.stderr.on("data", (text) => {
            log += text;
            const match = /event=listening.*?\bport=(\d+)/.exec(log);
            if (match) found(Number(match[1]));
        });
        child.on("exit", (status) => fail(new Error(`captiond ended with ${status}: ${log}`)));
    });
    const url = `http://127.0.0.1:${port}`;
    while (!(await fetch(`${url}/readyz`)).ok) await new Promise((done) => setTimeout(done, 50));
    return {
        url,
        log: () => log,
        stop: async () => {
            child.kill("SIGTERM");
            return ended;
        },
    };
}

// ---- the browser ---------------------------------------------------------------------------------------------------

export async function openBrowser(scratch, options = {}) {
    const context = await load("playwright-core").chromium.launchPersistentContext(join(scratch, `profile-${Math.random()}`),
        { executablePath: executable, headless: true, args: FLAGS, viewport: { width: 1280, height: 900 }, locale: "en-GB", ...options });
    context.setDefaultTimeout(WAIT_MS);
    return context;
}

// Collects what a page must never do. `allowed`: a pattern of what a test provokes, as the browser's own line on a 404.
function watchPage(page, url, faults) {
    page.on("console", (m) => ["error", "warning"].includes(m.type()) && faults.push(`console: ${m.text()} ${m.location().url}`));
    page.on("pageerror", (e) => faults.push(`uncaught: ${e.message}`));
    page.on("request", (r) => !r.url().startsWith(url) && !/^(blob|data):/.test(r.url()) && faults.push(`foreign: ${r.url()}`));
    return page.addInitScript(() => {
        document.addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
    });
}

// ---- tests ---------------------------------------------------------------------------------------------------------

// options: of the daemon, or a function of the scratch directory that makes them. context: of the browser, as {colorScheme: "dark"}. Each test may allow(/what it provokes/).
export async function run(options, body, context = {}) {
    const name = process.argv[1].replace(/.*\/(test_)?|\.mjs$/g, ""), reason = lacking();
    if (reason) {
        console.log(`1..1\nok 1 - ${name} # SKIP ${reason}`);
        return;
    }
    const scratch = mkdtempSync(join(tmpdir(), "captiond-browser-"));
    let n = 0, failed = 0, daemon, browser;
    const faults = [];
    const test = async (title, work) => {
        let allowed = null, fault = null;
        faults.length = 0;
        try {
            await work((pattern) => (allowed = pattern));
            const left = faults.filter((f) => !allowed?.test(f));
            check(!left.length, left.join("; "));
        } catch (error) {
            fault = error;
            failed++;
        }
        console.log(`${fault ? "not ok" : "ok"} ${++n} - ${name}_${title}`);
        if (fault) console.log(String(fault.stack || fault).replace(/^/gm, "# "));
    };
    try {
        daemon = await startDaemon(typeof options === "function" ? options(scratch) : options, scratch);
        browser = await openBrowser(scratch, context);
        const page = browser.pages()[0];
        await watchPage(page, daemon.url, faults);
        await page.goto(daemon.url);
        await body({ page, daemon, test, scratch });
    } finally {
        await browser?.close();
        const status = await daemon?.stop();
        rmSync(scratch, { recursive: true, force: true });
        if (daemon) await test("daemon_ends_well", async () => check(status === 0, `exit status ${status}`, daemon.log()));
        console.log(`1..${n}`);
        process.exitCode = failed ? 1 : 0;
    }
}

export const openPanel = async (page, name) => {
    await page.click(`#tab-${name}`);
    await page.waitForSelector(`#${name}:not([hidden])`);
};

// Runs captiond to its end; throws what it said if it failed.
export function captiond(...args) {
    const done = spawnSync(join(BUILD, "captiond"), args, { encoding: "utf8" });
    check(done.status === 0, done.stderr);
    return done.stdout;
}
