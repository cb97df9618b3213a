#!/usr/bin/env python3
"""The speed of captiond beside its peers, as bars: the figure in the README.

    tests/bench/speed.py collect DIR >speed.csv      from what the benchmarks left in DIR: the best round of each
    tests/bench/speed.py draw speed.csv speed.svg    a pair of bars for each line, relative to the peer

A line of speed.csv: workload,unit,captiond,peer,peer_value. Larger is faster.
"""
import csv
import html
import os
import sys

WIDTH, LABELS, BAR, ROW = 760, 300, 16, 52
HEADER = "workload,unit,captiond,peer,peer_value"


def best_of(directory, name, keys, column):
    """{implementation: {values of keys: the largest value of column}} of one benchmark; empty where it did not run."""
    best, path = {}, os.path.join(directory, name)
    for row in csv.DictReader(open(path, encoding="utf-8")) if os.path.exists(path) else []:
        case = tuple(row[key] for key in keys)
        found = best.setdefault(row["implementation"], {})
        found[case] = max(found.get(case, 0), float(row[column]))
    return best


def collect(directory):
    print(HEADER)
    for title, name, keys, column, unit in (
            ("encode images, {} thread(s)", "encoder.csv", ["threads"], "images_per_second", "images/s"),
            ("gradient down to the pixels", "gradient.csv", [], "passes_per_second", "passes/s"),
            ("train the {}, {}", "train.csv", ["kind", "precision"], "captions_per_second", "captions/s")):
        best = best_of(directory, name, keys, column)
        for case, ours in sorted(best.pop("captiond", {}).items()):
            for peer, values in sorted(best.items()):
                if case in values:
                    print(f'"{title.format(*case)}",{unit},{ours:.1f},{peer},{values[case]:.1f}')


def draw(source, path):
    rows = list(csv.DictReader(open(source, encoding="utf-8")))
    scale = (WIDTH - LABELS - 190) / max([1] + [float(row["captiond"]) / float(row["peer_value"]) for row in rows])
    parts = []
    for i, row in enumerate(rows):
        y, ratio = 10 + i * ROW, float(row["captiond"]) / float(row["peer_value"])
        parts.append(f'<text x="10" y="{y + 22}">{html.escape(row["workload"])}</text>')
        for k, (name, value, length, colour) in enumerate((("captiond", row["captiond"], ratio, "#2a6f97"),
                                                           (row["peer"], row["peer_value"], 1, "#a9b4c2"))):
            parts.append(f'<rect x="{LABELS}" y="{y + k * (BAR + 3)}" width="{length * scale:.1f}" height="{BAR}" '
                         f'fill="{colour}"/><text x="{LABELS + length * scale + 6:.1f}" y="{y + k * (BAR + 3) + 13}" '
                         f'font-size="12">{html.escape(name)}: {value} {html.escape(row["unit"])}</text>')
    with open(path, "w", encoding="utf-8") as out:
        out.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{10 + len(rows) * ROW}" '
                  f'font-family="sans-serif" font-size="14"><rect width="100%" height="100%" fill="white"/>\n'
                  + "\n".join(parts) + "\n</svg>\n")


if __name__ == "__main__":
    {"collect": collect, "draw": draw}[sys.argv[1]](*sys.argv[2:])
