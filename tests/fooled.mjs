// node tests/fooled.mjs MODULES MODEL PICTURE CLASS: exits with 0 if ONNX Runtime says that the PNG is of that class.
//
// Reads 8-bit RGB PNG without interlacing (ISO/IEC 15948, clause 9: filters), which is what captiond writes.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { inflateSync } from "node:zlib";

const MEAN = [123.675, 116.28, 103.53], STD = [58.395, 57.12, 57.375];
const [modules, model, picture, wanted] = process.argv.slice(2);
const ort = createRequire(join(resolve(modules), "package.json"))("onnxruntime-node");

function paeth(a, b, c) {
    const p = a + b - c, pa = Math.abs(p - a), pb = Math.abs(p - b), pc = Math.abs(p - c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

function readPng(bytes) {
    const parts = [];
    let width = 0, height = 0;
    for (let at = 8; at < bytes.length;) {
        const length = bytes.readUInt32BE(at), type = bytes.toString("latin1", at + 4, at + 8);
        const data = bytes.subarray(at + 8, at + 8 + length);
        if (type === "IHDR") {
            width = data.readUInt32BE(0);
            height = data.readUInt32BE(4);
            if (data[8] !== 8 || data[9] !== 2 || data[12] !== 0) throw new Error("not 8-bit RGB");
        }
        if (type === "IDAT") parts.push(data);
        at += 12 + length;
    }
    const lines = inflateSync(Buffer.concat(parts)), row = 3 * width, rgb = Buffer.alloc(row * height);
    for (let y = 0; y < height; y++)
        for (let i = 0; i < row; i++) {
            const left = i >= 3 ? rgb[y * row + i - 3] : 0, up = y > 0 ? rgb[(y - 1) * row + i] : 0;
            const corner = y > 0 && i >= 3 ? rgb[(y - 1) * row + i - 3] : 0;
            const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][lines[y * (row + 1)]];
            rgb[y * row + i] = lines[y * (row + 1) + 1 + i] + guess;
        }
    return { width, height, rgb };
}

const { width, height, rgb } = readPng(readFileSync(picture));
if (width !== 224 || height !== 224) throw new Error(`${width} x ${height} pixels`);
const plane = width * height, data = new Float32Array(3 * plane);
for (let i = 0; i < plane; i++)
    for (let c = 0; c < 3; c++) data[c * plane + i] = (rgb[3 * i + c] - MEAN[c]) / STD[c];
const session = await ort.InferenceSession.create(model);
const logits = (await session.run({ image: new ort.Tensor("float32", data, [1, 3, height, width]) })).logits.data;
let best = 0;
for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
console.log(`ONNX Runtime: class ${best}, score ${logits[best].toFixed(3)}; class ${wanted}, ${logits[wanted].toFixed(3)}`);
process.exit(best === Number(wanted) ? 0 : 1);
