// queue.js: work for the daemon, in turn and a few at a time. When the daemon asks to come back later (Retry-After), all
// of it waits as long as it was told to, and what was refused comes first.

const AT_ONCE = 4; // requests: a browser has six connections to a daemon, and the page asks for other things, too

// A queue of things for which `work(thing)` is called; it throws what went wrong. told(seconds): called when all waits.
export function makeQueue(work, told) {
    const waiting = [], busy = new Set();
    let until = 0;

    const pause = (seconds) => {
        const end = Date.now() + 1000 * seconds;
        if (end <= until) return;
        until = end;
        told(seconds);
        setTimeout(fill, 1000 * seconds);
    };

    async function run(thing) {
        busy.add(thing);
        try {
            await work(thing);
        } catch (error) {
            waiting.unshift(thing);
            pause(error.retryAfter);
        }
        busy.delete(thing);
        fill();
    }

    function fill() {
        while (Date.now() >= until && busy.size < AT_ONCE && waiting.length) run(waiting.shift());
    }

    return {
        add: (thing) => {
            if (!waiting.includes(thing)) waiting.push(thing);
            fill();
        },
        remove: (thing) => waiting.includes(thing) && waiting.splice(waiting.indexOf(thing), 1),
        length: () => waiting.length + busy.size,
        isBusyWith: (thing) => busy.has(thing),
    };
}
