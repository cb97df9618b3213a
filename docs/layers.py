#!/usr/bin/env python3
"""Draws docs/images/layers.svg: which layer of server/ and of model/ includes which, from the include lines.

tests/boundaries.sh reads them (and fails on an edge that leads up).    docs/layers.py
"""
import os
import re
import subprocess

os.chdir(os.path.join(os.path.dirname(__file__), ".."))
script = open("tests/boundaries.sh").read()
layers = {half: re.search(half + r"_layers='([^']*)'", script).group(1).split() for half in ("server", "model")}
edges = [line.split() for line in subprocess.run(
    ["tests/boundaries.sh", "graph"], capture_output=True, text=True, check=True).stdout.splitlines()]
used = {name for half, a, b, _ in edges for name in ((half, a), (half, b))}
BOX, STEP, TOP, WIDTH = 26, 52, 50, 430
tall = TOP + STEP * max(len(names) for names in layers.values())

with open("docs/images/layers.svg", "w") as svg:
    svg.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {tall}" font-family="sans-serif" font-size="13">\n'
              f'<rect width="{2 * WIDTH}" height="{tall}" fill="white"/>\n')
    for column, (half, names) in enumerate(layers.items()):
        names = [n for n in reversed(names) if (half, n) in used]  # the top layer on top
        left = column * WIDTH + 30
        y = {name: TOP + STEP * i for i, name in enumerate(names)}
        svg.write(f'<text x="{left}" y="28" font-size="16" font-weight="bold">{half}/</text>\n')
        for of, a, b, n in edges:
            if of != half:
                continue
            y1, y2, x = y[a] + BOX / 2, y[b] + BOX / 2, left + 110
            bend = x + 25 + 0.62 * (y2 - y1)
            svg.write(f'<path d="M{x},{y1} C{bend},{y1} {bend},{y2} {x + 8},{y2}" fill="none" stroke="#64748b" '
                      f'stroke-width="{min(4, 0.6 + int(n) / 12):.1f}" stroke-opacity="0.6"><title>{a} includes {b}: {n} lines</title></path>'
                      f'<path d="M{x},{y2} l9,-4 v8 z" fill="#64748b"/>\n')
        for name in names:
            svg.write(f'<rect x="{left}" y="{y[name]}" width="110" height="{BOX}" rx="5" fill="#e0e7ff" stroke="#4f46e5"/>'
                      f'<text x="{left + 55}" y="{y[name] + 18}" text-anchor="middle">{name}</text>\n')
    svg.write("</svg>\n")
