#!/usr/bin/env python3
"""Draws one column of a benchmark's CSV as bars: tests/bench/plot.py COLUMN OUT.svg <CSV

One bar for each implementation and number of threads, kind or precision, as long as the best round of it. Header lines may repeat.
"""
import csv
import html
import sys

WIDTH, LABELS, BAR, GAP = 720, 230, 22, 10


def best_values(lines, column):
    best, header = {}, []
    for row in csv.reader(lines):
        if row and row[0] == "implementation":
            header = row
        elif row:
            entry = dict(zip(header, row))
            label = entry["implementation"] + (f", {entry['threads']} thread(s)" if "threads" in entry else "")
            label += "".join(f", {entry[name]}" for name in ("kind", "precision") if name in entry)
            best[label] = max(best.get(label, 0), float(entry[column]))
    return sorted(best.items())


def main():
    column, path = sys.argv[1:]
    bars = best_values(sys.stdin, column)
    scale = (WIDTH - LABELS - 80) / max(value for _, value in bars)
    parts = [f'<text x="10" y="20" font-weight="bold">{html.escape(column)}</text>']
    for i, (label, value) in enumerate(bars):
        y = 34 + i * (BAR + GAP)
        colour = "#2a6f97" if label.startswith("captiond") else "#a9b4c2"
        parts += [f'<text x="10" y="{y + 16}">{html.escape(label)}</text>',
                  f'<rect x="{LABELS}" y="{y}" width="{value * scale:.1f}" height="{BAR}" fill="{colour}"/>',
                  f'<text x="{LABELS + value * scale + 6:.1f}" y="{y + 16}">{value:.1f}</text>']
    height = 44 + len(bars) * (BAR + GAP)
    with open(path, "w", encoding="utf-8") as out:
        out.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
                  f'font-family="sans-serif" font-size="14">\n' + "\n".join(parts) + "\n</svg>\n")


if __name__ == "__main__":
    main()
