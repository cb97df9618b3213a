// curve.js: a line chart of [x, y] points as inline SVG, drawn anew in pixels for every width, so that its text is as
// large on a phone as on a desk.

const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 240, LEFT = 48, RIGHT = 12, TOP = 26, BOTTOM = 28;

function s(tag, attributes, text) {
    const element = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
}

// About n round numbers from low to high.
function ticks(low, high, n) {
    const raw = (high - low) / n || 1, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw);
    const all = [];
    for (let t = Math.ceil(low / step) * step; t <= high + step / 1e6; t += step) all.push(Number(t.toPrecision(10)));
    return all;
}

const short = (x) => (Math.abs(x) >= 1e4 ? x.toExponential(0) : Number(x.toPrecision(4)).toString());

// The chart's element and draw(points, base): what it shows then; base: a value to compare with, a line across. names:
// {title, x, y, base}.
export function curve(names) {
    const title = s("title", { id: `curve-${Math.random().toString(36).slice(2)}` }, names.title);
    const grid = s("g", { class: "grid" }), line = s("path", { class: "line" }), area = s("path", { class: "area" }), dot = s("circle", { class: "dot" }), mark = s("g", {});
    const element = s("svg", { class: "curve", role: "img", "aria-labelledby": title.id });
    element.append(title, grid, area, mark, line, dot);
    let points = [], base;
    const redraw = () => {
        const width = element.clientWidth;
        grid.replaceChildren();
        if (!points.length || !width) return;
        const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]), all = base === undefined ? ys : [...ys, base];
        let [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...all), Math.max(...all)];
        if (x1 === x0) x1 = x0 + 1;
        if (y0 > 0 && y0 < 0.6 * y1) y0 = 0;
        if (y1 === y0) y1 = y0 + 1;
        const x = (v) => LEFT + ((v - x0) / (x1 - x0)) * (width - LEFT - RIGHT);
        const y = (v) => HEIGHT - BOTTOM - ((v - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);
        for (const t of ticks(y0, y1, 4))
            grid.append(s("line", { x1: LEFT, x2: width - RIGHT, y1: y(t), y2: y(t) }), s("text", { x: LEFT - 8, y: y(t) + 4, "text-anchor": "end" }, short(t)));
        for (const t of ticks(x0, x1, Math.min(6, width / 80))) grid.append(s("text", { x: x(t), y: HEIGHT - 8, "text-anchor": "middle" }, short(t)));
        grid.append(s("text", { x: width - RIGHT, y: HEIGHT - BOTTOM - 6, "text-anchor": "end", class: "axis" }, names.x),
            s("text", { x: LEFT, y: 12, class: "axis" }, names.y));
        mark.replaceChildren(...(base === undefined ? [] : [s("line", { class: "base", x1: LEFT, x2: width - RIGHT, y1: y(base), y2: y(base) }),
            s("text", { x: width - RIGHT, y: y(base) - 5, "text-anchor": "end" }, names.base)]));
        const path = points.map((p, i) => `${i ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`).join("");
        const [lastX, lastY] = points.at(-1);
        line.setAttribute("d", path);
        area.setAttribute("d", `${path}L${x(lastX).toFixed(1)} ${y(y0)}L${x(xs[0]).toFixed(1)} ${y(y0)}Z`);
        dot.setAttribute("r", 4);
        dot.setAttribute("cx", x(lastX));
        dot.setAttribute("cy", y(lastY));
        title.textContent = `${names.title}: ${short(lastY)} at ${short(lastX)}, from ${short(ys[0])} at ${short(xs[0])}${base === undefined ? "" : `; ${names.base}: ${short(base)}`}`;
    };
    new ResizeObserver(redraw).observe(element);
    const draw = (now, against) => {
        [points, base] = [now, against];
        redraw();
    };
    return { element, draw };
}
