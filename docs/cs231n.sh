#!/bin/sh
# Makes docs/gallery/overfit.svg again: the loss while captiond overfits 50 captions, RNN and LSTM.
#     docs/cs231n.sh [CAPTIOND]
# The 50 pictures are drawn here (a shape of one colour on a ground of another); nothing is fetched.
set -eu
cd "$(dirname "$0")/.."
captiond=${1:-build/captiond}
work=build/cs231n
mkdir -p "$work/images"

python3 - "$work" <<'END'
import struct, sys
work, side = sys.argv[1], 96
colours = {"red": (40, 40, 220), "green": (60, 180, 60), "blue": (220, 90, 40), "yellow": (40, 220, 230), "white": (245, 245, 245)}
shapes = {
    "circle": lambda x, y: x * x + y * y < 0.5,
    "square": lambda x, y: abs(x) < 0.6 and abs(y) < 0.6,
    "cross": lambda x, y: min(abs(x), abs(y)) < 0.2 and max(abs(x), abs(y)) < 0.8,
    "stripe": lambda x, y: abs(x - y) < 0.3,
    "ring": lambda x, y: 0.3 < x * x + y * y < 0.7,
}
pairs = [(a, b) for a in colours for b in colours if a != b][:10]
with open(work + "/captions.tsv", "w") as captions:
    for shape, inside in shapes.items():
        for front, back in pairs:
            name = f"{front}-{shape}-on-{back}.bmp"
            with open(f"{work}/images/{name}", "wb") as file:  # BMP: rows from below, blue first
                file.write(struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + side * side * 3, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0))
                for y in range(side):
                    for x in range(side):
                        at = inside(2 * x / side - 1, 2 * y / side - 1)
                        file.write(bytes(colours[front if at else back]))
            captions.write(f"{name}\ta {front} {shape} on a {back} ground\n")
END

for kind in rnn lstm; do
    "$captiond" train --from-scratch --minimum-captions 1 --images "$work/images" --captions "$work/captions.tsv" --out "$work/$kind.safetensors" \
        --kind $kind --hidden 128 --words 64 --batch 25 --epochs 40 --learning-rate 0.005 --dropout 0 --label-smoothing 0 \
        --average 0 --no-flip --minimum-count 1 --patience 0 --report-seconds 0.001 2>"$work/$kind.log"
done

python3 - "$work" docs/gallery/overfit.svg <<'END'
import re, sys
work, out = sys.argv[1:]
width, height, left, bottom = 640, 320, 60, 270
lines, largest, last = [], 0.0, 1
for kind, colour in (("rnn", "#c2410c"), ("lstm", "#1d4ed8")):
    log = open(f"{work}/{kind}.log").read()
    found = re.findall(r"epoch \d+/(\d+): batch (\d+)/(\d+), loss ([\d.]+)", log)
    points = [(float(batch) * float(epochs) / float(batches), float(loss)) for epochs, batch, batches, loss in found]
    lines.append((kind, colour, points))
    largest, last = max(largest, max(l for _, l in points)), max(last, max(e for e, _ in points))
at = lambda e, l: f"{left + (width - left - 20) * e / last:.1f},{bottom - (bottom - 30) * l / largest:.1f}"
with open(out, "w") as svg:
    svg.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">\n')
    svg.write(f'<rect width="{width}" height="{height}" fill="white"/>\n')
    for k in range(5):
        l = largest * k / 4
        x, y = at(0, l).split(",")
        svg.write(f'<line x1="{x}" x2="{width - 20}" y1="{y}" y2="{y}" stroke="#ddd"/><text x="{left - 8}" y="{float(y) + 4}" text-anchor="end">{l:.1f}</text>\n')
    for e in range(0, int(last) + 1, 10):
        svg.write(f'<text x="{at(e, 0).split(",")[0]}" y="{bottom + 18}" text-anchor="middle">{e}</text>\n')
    for n, (kind, colour, points) in enumerate(lines):
        svg.write(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(at(*p) for p in points)}"/>\n')
        svg.write(f'<text x="{width - 90}" y="{50 + 18 * n}" fill="{colour}">{kind.upper()}</text>\n')
    svg.write(f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">epoch (50 captions)</text>\n')
    svg.write('<text x="14" y="20">loss per caption (nats)</text>\n</svg>\n')
END
echo "docs/gallery/overfit.svg"
