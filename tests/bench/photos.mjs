// Photos a second of captiond and of a Node server, in turns (photos.sh).
//
//     node tests/bench/photos.mjs MODULES MODEL BUILD            the comparison
//     node tests/bench/photos.mjs MODULES MODEL BUILD serve      the Node server alone; prints its port
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const [modules, model, build, mode] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), "package.json"));
const sharp = require("sharp");

const SIDE = 224, PLANE = SIDE * SIDE, MEAN = [123.675, 116.28, 103.53], STD = [58.395, 57.12, 57.375];
const number = (name, usual) => Number(process.env[name] ?? usual);
const ROUNDS = number("ROUNDS", 3), SECONDS = number("SECONDS_EACH", 2), CLIENTS = number("CLIENTS", 4);
const SIDES = (process.env.SIDES ?? "224 640 1920 4032 8000").split(" ").map(Number);

// ---- the Node server --------------------------------------------------------------------------------------------------

async function serve() {
    const ort = require("onnxruntime-node");
    const session = await ort.InferenceSession.create(model);
    const encode = async (body) => {
        const rgb = await sharp(body).rotate().flatten({ background: "#fff" }).toColourspace("srgb")
            .resize(SIDE, SIDE, { fit: "fill" }).removeAlpha().raw().toBuffer();
        const data = new Float32Array(3 * PLANE);
        for (let i = 0; i < PLANE; i++)
            for (let c = 0; c < 3; c++) data[c * PLANE + i] = (rgb[3 * i + c] - MEAN[c]) / STD[c];
        const { features } = await session.run({ image: new ort.Tensor("float32", data, [1, 3, SIDE, SIDE]) });
        return JSON.stringify({ features: Array.from(features.data.subarray(0, 16)) });
    };
    const server = http.createServer((request, response) => {
        const parts = [];
        request.on("data", (part) => parts.push(part));
        request.on("end", () => encode(Buffer.concat(parts)).then(
            (text) => response.end(text), (error) => response.writeHead(500).end(String(error))));
    });
    server.listen(0, "127.0.0.1", () => console.log(`port=${server.address().port}`));
}

// ---- photos ------------------------------------------------------------------------------------------------------------

const FORMATS = {
    "baseline.jpg": (s) => s.jpeg({ quality: 88 }),
    "progressive.jpg": (s) => s.jpeg({ quality: 88, progressive: true }),
    "photo.png": (s) => s.png({ compressionLevel: 6 }),
    "photo.webp": (s) => s.webp({ quality: 85 }),
};

// Of the shape 4:3, `side` pixels wide.
async function makePhotos(directory) {
    mkdirSync(directory, { recursive: true });
    for (const side of SIDES) {
        const width = side, height = Math.round(side * 3 / 4), made = {};
        for (const [name, write] of Object.entries(FORMATS)) {
            const path = join(directory, `${side}-${name}`);
            if (existsSync(path)) continue;
            made.rgb ??= await sharp("docs/images/astronaut.jpg").resize(width, height, { fit: "cover" }).removeAlpha().raw()
                .toBuffer();
            if (!made.noisy) {
                let state = 1;
                for (let i = 0; i < made.rgb.length; i++) {
                    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
                    made.rgb[i] = Math.max(0, Math.min(255, made.rgb[i] + (state >>> 29) - 3));
                }
                made.noisy = true;
            }
            await write(sharp(made.rgb, { raw: { width, height, channels: 3 } })).toFile(path);
        }
    }
}

// ---- measuring ---------------------------------------------------------------------------------------------------------

function start(command, args, ready) {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    return new Promise((done, fail) => {
        const server = { child, port: 0 };
        const look = (line) => {
            const port = line.match(/port=(\d+)/);
            if (port) server.port = Number(port[1]);
            if (line.includes(ready)) done(server);
        };
        for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", look);
        child.on("exit", () => fail(new Error(`${command} ended`)));
    });
}

function ask(agent, port, body) {
    return new Promise((done, fail) => {
        const request = http.request({ agent, port, host: "127.0.0.1", path: "/v1/caption", method: "POST",
            headers: { "Content-Type": "application/octet-stream", "Content-Length": body.length } }, (response) => {
            let text = "";
            response.on("data", (part) => text += part);
            response.on("end", () => response.statusCode === 200 ? done() : fail(new Error(text)));
        });
        request.on("error", fail);
        request.end(body);
    });
}

// Each client asks again when it was answered; whole photos over the time until the last answer.
async function measure(port, body) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS }), times = [];
    await ask(agent, port, body);
    const begin = performance.now(), end = begin + 1000 * SECONDS;
    await Promise.all(Array.from({ length: CLIENTS }, async () => {
        do {
            const asked = performance.now();
            await ask(agent, port, body);
            times.push(performance.now() - asked);
        } while (performance.now() < end);
    }));
    const rate = 1000 * times.length / (performance.now() - begin);
    agent.destroy();
    return { rate, median: times.sort((a, b) => a - b)[times.length >> 1] };
}

async function compare() {
    const directory = join(build, "bench", "photos"), data = join(build, "bench", "photos-data");
    await makePhotos(directory);
    const servers = {
        captiond: await start(join(build, "captiond"), ["serve", "--port", "0", "--data", data, "--max-body-mb", "256"],
            "event=ready"),
        node: await start(process.execPath, [...process.argv.slice(1, 5), "serve"], "port="),
    };
    const best = {};
    console.log("photo,bytes,implementation,round,clients,photos_per_second,median_ms");
    for (let round = 1; round <= ROUNDS; round++)
        for (const side of SIDES)
            for (const name of Object.keys(FORMATS)) {
                const photo = `${side}-${name}`, body = readFileSync(join(directory, photo));
                for (const [which, server] of Object.entries(servers)) {
                    let result;
                    try {
                        result = await measure(server.port, body);
                    } catch (error) {
                        console.error(`${which}: ${photo}: ${error.message}`);
                        continue;
                    }
                    console.log([photo, body.length, which, round, CLIENTS, result.rate.toFixed(2),
                        result.median.toFixed(1)].join());
                    best[photo] = { ...best[photo], [which]: Math.max(result.rate, best[photo]?.[which] ?? 0) };
                }
            }
    for (const [photo, rate] of Object.entries(best))
        console.error(`${photo}: captiond ${rate.captiond?.toFixed(1) ?? "-"}, Node ${rate.node?.toFixed(1) ?? "-"} photos/s` +
            (rate.captiond && rate.node ? `, ratio ${(rate.captiond / rate.node).toFixed(2)}` : ""));
    for (const { child } of Object.values(servers)) child.removeAllListeners("exit"), child.kill();
    rmSync(data, { recursive: true, force: true });
}

await (mode === "serve" ? serve() : compare());
