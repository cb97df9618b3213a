// pictures.mjs: photos for the tests: generated, or the CC0 ones that tests/photos.sh fetched.
import { existsSync, readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";

function crc32(bytes) {
    let crc = ~0;
    for (const byte of bytes) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc >>> 0;
}

function chunk(type, data) {
    const body = Buffer.concat([Buffer.from(type), data]), out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
}

// A PNG whose pixel at x, y is colour(x, y): [r, g, b].
export function png(width, height, colour) {
    const rows = Buffer.alloc(height * (1 + 3 * width)), head = Buffer.alloc(13);
    for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) rows.set(colour(x, y), y * (1 + 3 * width) + 1 + 3 * x);
    head.writeUInt32BE(width);
    head.writeUInt32BE(height, 4);
    head.set([8, 2], 8);
    return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

const COLOURS = { red: [220, 40, 40], green: [40, 170, 60], blue: [40, 70, 220], yellow: [240, 210, 40] };
const SHAPES = {
    disc: (x, y) => Math.hypot(x - 48, y - 36) < 26,
    board: (x, y) => ((x >> 4) + (y >> 4)) % 2 === 0,
    stripe: (x, y) => (x + y) % 32 < 16,
};

// Pictures that are easy to tell apart, each with its caption: [{name, caption, buffer}].
export const lessons = Object.entries(COLOURS).flatMap(([colour, rgb]) => Object.entries(SHAPES).map(([shape, inside]) => ({
    name: `${colour}-${shape}.png`,
    caption: `a ${colour} ${shape} on a white page`,
    buffer: png(96, 72, (x, y) => (inside(x, y) ? rgb : [250, 250, 250])),
})));

export const upload = ({ name, buffer }, mimeType = "image/png") => ({ name, mimeType, buffer });

// A real photo if there is one, else a generated picture.
export function photo() {
    const file = "build/photos/chelsea.png";
    return upload(existsSync(file) ? { name: "chelsea.png", buffer: readFileSync(file) } : lessons[0]);
}
