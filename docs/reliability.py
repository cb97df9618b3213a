#!/usr/bin/env python3
"""Draws how far the confidence of captions can be trusted: for each tenth of it, the share of content words that are true.

    captiond eval --images DIR --captions dev.tsv --tsv said.tsv
    docs/reliability.py dev.tsv said.tsv reliability.svg

A word is true if one of the image's reference captions has it; words like "a" and "of" do not count
(model/decoder/confidence.c). A dot is the mean of the captions of one tenth, its bar the 95 % interval by bootstrap;
grey bars below tell how many captions there are. On the diagonal, confidence is what it says. Standard library only.
"""
import random
import sys

EMPTY = set("a an the of in on with and is are to at by its his her next while front".split())
BINS, SIZE, LEFT, TOP, BELOW = 10, 320, 60, 20, 60


def words(caption):
    return [w for w in ("".join(c for c in token.lower() if c.isalnum()) for token in caption.split()) if w]


def read(references, said):
    """Pairs of a caption's confidence and the share of its content words that are true."""
    true = {}
    for line in open(references, encoding="utf-8"):
        name, caption = line.rstrip("\n").split("\t", 1)
        true.setdefault(name, set()).update(words(caption))
    pairs = []
    for line in open(said, encoding="utf-8"):
        name, caption, _, confidence = line.rstrip("\n").split("\t")[:4]
        content = set(words(caption)) - EMPTY
        if content and name in true:
            pairs.append((float(confidence), len(content & true[name]) / len(content)))
    return pairs


def mean(values):
    return sum(values) / len(values)


def interval(values):
    draws = sorted(mean(random.choices(values, k=len(values))) for _ in range(1000))
    return draws[25], draws[974]


def draw(bins, total, error):
    across, up = lambda v: LEFT + v * SIZE, lambda v: TOP + SIZE - v * SIZE
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + SIZE + 20} {TOP + SIZE + BELOW}" '
           f'font-family="sans-serif" font-size="12">')
    yield f'<rect width="{LEFT + SIZE + 20}" height="{TOP + SIZE + BELOW}" fill="white"/>'
    for i in range(0, 11, 2):
        v = i / 10
        yield f'<path d="M{across(v):.1f} {up(0)}V{up(1)}M{across(0)} {up(v):.1f}H{across(1)}" stroke="#ddd"/>'
        yield f'<text x="{across(v):.1f}" y="{up(0) + 16}" text-anchor="middle">{v:.1f}</text>'
        yield f'<text x="{LEFT - 8}" y="{up(v) + 4:.1f}" text-anchor="end">{v:.1f}</text>'
    yield f'<path d="M{across(0)} {up(0)}L{across(1)} {up(1)}" stroke="#888" stroke-dasharray="4 4"/>'
    for i, pairs in enumerate(bins):
        if pairs:
            high = len(pairs) / total
            yield (f'<rect x="{across(i / BINS) + 4:.1f}" y="{up(high):.1f}" width="{SIZE / BINS - 8:.1f}" '
                   f'height="{high * SIZE:.1f}" fill="#e4e4e4"><title>{len(pairs)} captions</title></rect>')
    dots = []
    for pairs in bins:
        if pairs:
            x, shares = mean([c for c, _ in pairs]), [t for _, t in pairs]
            low, high = interval(shares)
            dots.append((across(x), up(mean(shares))))
            yield f'<path d="M{across(x):.1f} {up(low):.1f}V{up(high):.1f}" stroke="#1a66b3" stroke-width="1.5"/>'
    yield f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in dots)}" fill="none" stroke="#1a66b3" stroke-width="2"/>'
    yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#1a66b3"/>' for x, y in dots)
    yield f'<text x="{across(0.5)}" y="{up(0) + 36}" text-anchor="middle">confidence</text>'
    yield (f'<text x="{across(0.5)}" y="{up(0) + 52}" text-anchor="middle" fill="#555">{total} captions, mean distance from '
           f'the diagonal {error:.3f}</text>')
    yield (f'<text transform="translate(16 {up(0.5)}) rotate(-90)" text-anchor="middle">share of content words that are '
           f'true</text></svg>')


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    random.seed(1)
    pairs = read(sys.argv[1], sys.argv[2])
    if not pairs:
        sys.exit("no caption of the second file has a reference in the first")
    bins = [[p for p in pairs if min(int(p[0] * BINS), BINS - 1) == i] for i in range(BINS)]
    error = sum(len(b) * abs(mean([c for c, _ in b]) - mean([t for _, t in b])) for b in bins if b) / len(pairs)
    with open(sys.argv[3], "w", encoding="utf-8") as svg:
        svg.write("\n".join(draw(bins, len(pairs), error)) + "\n")
    print(f"{len(pairs)} captions, mean distance from the diagonal {error:.3f}")


main()
