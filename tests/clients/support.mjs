// support.mjs: the daemon under test, TAP, and the photo that every test sends.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const binary = `${process.env.BUILD ?? 'build'}/captiond`;

// Starts `captiond serve` on a free port with the shipped weights and a data directory of its own; ready when it returns.
export async function serve(...options) {
    const data = mkdtempSync(join(tmpdir(), 'captiond-clients-'));
    const child = spawn(binary, ['serve', '--port', '0', '--data', data, '--background', 'normal', ...options], {
        stdio: ['ignore', 'ignore', 'pipe'],
    });
    const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
    let log = '';
    await new Promise((resolve, reject) => {
        child.stderr.on('data', (piece) => {
            log += piece;
            if (/event=ready/.test(log)) resolve();
        });
        exited.then((code) => reject(new Error(`captiond ended with ${code}: ${log}`)));
    });
    return {
        url: `http://127.0.0.1:${/event=listening.* port=(\d+)/.exec(log)[1]}`,
        // SIGTERM; nothing leaked, no sanitizer complained, if this is 0.
        async stop() {
            child.kill('SIGTERM');
            const code = await exited;
            rmSync(data, { recursive: true, force: true });
            if (code !== 0) throw new Error(`captiond ended with ${code}: ${log}`);
        },
    };
}

let tests = 0;
let failures = 0;

export async function test(name, run) {
    tests += 1;
    try {
        await run();
        console.log(`ok ${tests} - ${name}`);
    } catch (error) {
        failures += 1;
        console.log(`not ok ${tests} - ${name}`);
        console.log(String(error.stack ?? error).replace(/^/gm, '# '));
    }
}

export function skip(name, reason) {
    tests += 1;
    console.log(`ok ${tests} - ${name} # SKIP ${reason}`);
}

export function finish() {
    console.log(`1..${tests}`);
    process.exitCode = failures ? 1 : 0;
}

export const photo = readFileSync('docs/images/chelsea.jpg');
export const photoUri = `data:image/jpeg;base64,${photo.toString('base64')}`;
export const photoBlob = () => new Blob([photo], { type: 'image/jpeg' });

// What captiond itself says of the photo.
export async function captionOf(server, query = '') {
    const answer = await fetch(`${server.url}/v1/caption${query}`, { method: 'POST', body: photo });
    return (await answer.json()).captions[0];
}

// A package from npm, or undefined where it could not be installed.
export async function optional(name) {
    try {
        return await import(name);
    } catch (error) {
        if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined;
        throw error;
    }
}
