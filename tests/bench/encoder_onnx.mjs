// The peer of `captiond bench encoder`: the same network in ONNX Runtime (onnxruntime-node).
//
//     node tests/bench/encoder_onnx.mjs MODULES MODEL time THREADS BATCH SECONDS      one CSV line, as captiond prints
//     node tests/bench/encoder_onnx.mjs MODULES MODEL check CAPTIOND                  the features of both must agree
//
// MODULES is the directory that node_modules is in, MODEL what encoder_onnx.py wrote.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const SIDE = 224, PLANE = SIDE * SIDE;
const MEAN = [123.675, 116.28, 103.53], STD = [58.395, 57.12, 57.375];

const [modules, model, mode, ...rest] = process.argv.slice(2);
const ort = createRequire(join(resolve(modules), "package.json"))("onnxruntime-node");

const level = (x, y, c) => (7 * x * (c + 1) + 13 * y + (x * y) % 31) % 256;

function pictures(batch) {
    const data = new Float32Array(batch * 3 * PLANE);
    for (let i = 0; i < data.length; i++) {
        const c = Math.floor(i / PLANE) % 3, y = Math.floor((i % PLANE) / SIDE), x = i % SIDE;
        data[i] = (level(x, y, c) - MEAN[c]) / STD[c];
    }
    return new ort.Tensor("float32", data, [batch, 3, SIDE, SIDE]);
}

// The same picture as an uncompressed bitmap, for captiond.
function bitmap() {
    const header = Buffer.alloc(54), rows = Buffer.alloc(3 * PLANE);
    header.write("BM");
    header.writeUInt32LE(54 + rows.length, 2);
    header.writeUInt32LE(54, 10);
    header.writeUInt32LE(40, 14);
    header.writeInt32LE(SIDE, 18);
    header.writeInt32LE(SIDE, 22);
    header.writeUInt16LE(1, 26);
    header.writeUInt16LE(24, 28);
    for (let y = 0; y < SIDE; y++)
        for (let x = 0; x < SIDE; x++)
            for (let c = 0; c < 3; c++) rows[((SIDE - 1 - y) * SIDE + x) * 3 + 2 - c] = level(x, y, c);
    return Buffer.concat([header, rows]);
}

const open = (threads) =>
    ort.InferenceSession.create(model, { intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: "sequential" });

async function time(threads, batch, seconds) {
    const session = await open(threads), feeds = { image: pictures(batch) };
    await session.run(feeds);
    let batches = 0, best = Infinity;
    const begin = performance.now();
    let now = begin;
    for (; now - begin < 1000 * seconds; batches++) {
        const last = now;
        await session.run(feeds);
        now = performance.now();
        best = Math.min(best, now - last);
    }
    const rate = (1000 * batches * batch) / (now - begin);
    console.log("implementation,threads,batch,images,images_per_second,ms_per_image,best_latency_ms");
    console.log(["onnxruntime-node", threads, batch, batches * batch, rate.toFixed(1), (1000 / rate).toFixed(2),
        best.toFixed(2)].join());
}

async function check(captiond) {
    const directory = mkdtempSync(join(tmpdir(), "bench-")), file = join(directory, "picture.bmp");
    writeFileSync(file, bitmap());
    const ours = JSON.parse(execFileSync(captiond, ["features", file])).features;
    rmSync(directory, { recursive: true });
    const theirs = (await (await open(1)).run({ image: pictures(1) })).features.data;
    const largest = Math.max(...theirs.map(Math.abs));
    const error = Math.max(...ours.map((v, i) => Math.abs(v - theirs[i]))) / largest;
    console.error(`features agree within ${error.toExponential(1)} of the largest`);
    if (!(ours.length === theirs.length && error < 1e-4)) process.exit(1);
}

if (mode === "check") await check(rest[0]);
else await time(...rest.map(Number));
