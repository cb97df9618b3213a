#!/usr/bin/env python3
"""make soak: an hour of what a hostile client, a full disk and kill -9 do to a daemon, and what it cost.

    SOAK_SECONDS (3600)    all of it; the mixed load takes what the rest leaves
    SOAK_KILLS (100)       kill -9 in the midst of uploads
    SOAK_REQUESTS (100000) of the mixed load, at most
    SOAK_BAD (1000)        slow clients, and as many that leave in the middle, beside 20 good ones

Prints each bar with what was measured, and ends with 1 if one was not held:

    kills        acknowledged items that were lost: 0
    crowd        failures of good clients: 0; their 99th percentile: at most three times the undisturbed one
    full disk    uploads are refused (507), nothing is lost, and what was stored can be deleted
    load         memory behind all requests within 5 % of that behind the first tenth
    SIGTERM      under all of it: exit status 0 within the drain time
"""
import asyncio, hashlib, json, os, random, shutil, signal, struct, subprocess, sys, tempfile, time, zlib

BINARY = sys.argv[1]
SECONDS = float(os.environ.get("SOAK_SECONDS", 3600))
KILLS = int(os.environ.get("SOAK_KILLS", 100))
REQUESTS = int(os.environ.get("SOAK_REQUESTS", 100000))
BAD = int(os.environ.get("SOAK_BAD", 1000))
GOOD, DRAIN_MS, PATIENCE = 20, 20000, 120

started = time.monotonic()
bars = []


def bar(name, held, measured):
    bars.append(held)
    print(f"{'ok    ' if held else 'FAILED'} {name:42} {measured}", flush=True)


def photo(seed, side=48):
    """A PNG of noise, other for each seed."""
    r = random.Random(seed)
    rows = b"".join(b"\0" + r.randbytes(3 * side) for _ in range(side))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def form(image, caption):
    b = b"soak-boundary"
    part = lambda name, data: b"--" + b + b'\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + data + b"\r\n"
    return part(b"image", image) + part(b"caption", caption.encode()) + b"--" + b + b"--\r\n"


class Daemon:
    def __init__(self, data, *options):
        self.data = data
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([BINARY, "serve", "--port", "0", "--data", data, "--drain-ms", str(DRAIN_MS),
                                         "--log-level", "warning", *options], stderr=self.log, text=False)
        self.port = self._find_port()

    def _find_port(self):
        """The listening socket of the process, as /proc tells it."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise SystemExit(f"captiond ended at start: {self.said()}")
            inodes = set()
            for fd in os.listdir(f"/proc/{self.process.pid}/fd"):
                try:
                    link = os.readlink(f"/proc/{self.process.pid}/fd/{fd}")
                except OSError:
                    continue
                if link.startswith("socket:["):
                    inodes.add(link[8:-1])
            for line in open("/proc/net/tcp").read().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    return int(fields[1].split(":")[1], 16)
            time.sleep(0.02)
        raise SystemExit("captiond does not listen")

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]

    def resident(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    async def ready(self):
        for _ in range(PATIENCE * 50):
            try:
                if (await self.ask("GET", "/readyz"))[0] == 200:
                    return self
            except OSError:
                pass
            await asyncio.sleep(0.02)
        raise SystemExit(f"captiond is not ready: {self.said()}")

    async def ask(self, method, path, body=b"", kind="application/octet-stream", timeout=PATIENCE):
        """(status, JSON or None)"""
        return await asyncio.wait_for(self._ask(method, path, body, kind), timeout)

    async def _ask(self, method, path, body, kind):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            if body:
                head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            writer.write(head.encode() + b"\r\n" + body)
            answer = await reader.read()
            first, _, rest = answer.partition(b"\r\n\r\n")
            if not first.startswith(b"HTTP/1.1 "):
                raise ConnectionError("no answer")
            try:
                return int(first[9:12]), json.loads(rest)
            except ValueError:
                return int(first[9:12]), None
        finally:
            writer.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """(exit status, seconds)"""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(DRAIN_MS / 1000 + 30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return self.process.returncode, time.monotonic() - begun


# ---- kills -----------------------------------------------------------------------------------------------------------


async def upload_until_dead(daemon, acknowledged, numbers):
    while True:
        seed = next(numbers)
        image = photo(seed)
        try:
            status, answer = await daemon.ask("POST", "/v1/datasets/soak/items", form(image, f"photo number {seed}"),
                                              "multipart/form-data; boundary=soak-boundary")
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            return
        if status in (200, 201):
            acknowledged[hashlib.sha256(image).hexdigest()] = f"photo number {seed}"


async def all_items(daemon):
    found, path = {}, "/v1/datasets/soak/items?limit=500"
    while path:
        status, answer = await daemon.ask("GET", path)
        if status != 200:
            raise SystemExit(f"listing: {status} {answer}")
        found.update((item["sha256"], item["captions"]) for item in answer["items"])
        path = answer.get("next")
    return found


def count_lost(acknowledged, found, data):
    return sum(caption not in found.get(sha, []) or not os.path.exists(f"{data}/images/{sha}")
               for sha, caption in acknowledged.items())


async def kills(data):
    acknowledged, numbers = {}, iter(range(10**9))
    daemon = await Daemon(data).ready()
    await daemon.ask("PUT", "/v1/datasets/soak")
    for i in range(KILLS):
        uploaders = [asyncio.create_task(upload_until_dead(daemon, acknowledged, numbers)) for _ in range(4)]
        await asyncio.sleep(random.Random(i).uniform(0.02, 0.4))
        daemon.kill()
        await asyncio.gather(*uploaders)
        daemon = await Daemon(data).ready()
    lost = count_lost(acknowledged, await all_items(daemon), data)
    bar(f"{KILLS} kills: acknowledged items lost", lost == 0, f"{lost} of {len(acknowledged)}")
    return daemon, acknowledged


async def lose_index(daemon, acknowledged):
    """The worst that a disk can do, and captiond repair behind it."""
    daemon.stop()
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(f"{daemon.data}/captiond.db{suffix}"):
            os.unlink(f"{daemon.data}/captiond.db{suffix}")
    subprocess.run([BINARY, "repair", "--data", daemon.data], check=True, stdout=subprocess.DEVNULL)
    daemon = await Daemon(daemon.data).ready()
    lost = count_lost(acknowledged, await all_items(daemon), daemon.data)
    bar("the index lost, and repaired: items lost", lost == 0, f"{lost} of {len(acknowledged)}")
    return daemon


# ---- a crowd ---------------------------------------------------------------------------------------------------------


async def good_client(daemon, stop, times, failures, seed):
    image = photo(seed)
    while not stop.is_set():
        begun = time.monotonic()
        try:
            status, _ = await daemon.ask("POST", "/v1/caption?max_words=8", image)
            if status != 200:
                failures.append(status)
        except (OSError, asyncio.TimeoutError) as error:
            failures.append(repr(error))
        times.append(time.monotonic() - begun)
        await asyncio.sleep(0.2)


async def slow_client(daemon, stop):
    """A header, a byte at a time."""
    while not stop.is_set():
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
            for byte in b"POST /v1/caption HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"y" * 1000:
                if stop.is_set():
                    break
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
            writer.close()
        except OSError:
            await asyncio.sleep(1)


async def leaving_client(daemon, stop):
    """Leaves in the middle of its body."""
    while not stop.is_set():
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
            writer.write(b"POST /v1/caption HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000)
            await writer.drain()
            writer.close()
        except OSError:
            pass
        await asyncio.sleep(random.uniform(1, 5))


def p99(times):
    return sorted(times)[max(0, int(len(times) * 0.99) - 1)] if times else float("inf")


async def run_good(daemon, seconds):
    stop, times, failures = asyncio.Event(), [], []
    clients = [asyncio.create_task(good_client(daemon, stop, times, failures, i)) for i in range(GOOD)]
    await asyncio.sleep(seconds)
    stop.set()
    await asyncio.gather(*clients)
    return times, failures


async def crowd(daemon):
    seconds = max(10, SECONDS / 20)
    calm, failures = await run_good(daemon, seconds)
    bar(f"{GOOD} good clients alone: failures", not failures, f"{len(failures)} of {len(calm)} {failures[:2] or ''}")
    stop = asyncio.Event()
    bad = [asyncio.create_task(kind(daemon, stop)) for kind in (slow_client, leaving_client) for _ in range(BAD)]
    await asyncio.sleep(3)
    busy, failures = await run_good(daemon, seconds)
    stop.set()
    for task in bad:
        task.cancel()
    await asyncio.gather(*bad, return_exceptions=True)
    bar(f"beside {BAD} slow and {BAD} leaving: failures", not failures, f"{len(failures)} of {len(busy)} {failures[:2] or ''}")
    bar("99th percentile beside them, at most 3 times", p99(busy) <= 3 * p99(calm),
        f"{p99(busy) * 1e3:.0f} ms, undisturbed {p99(calm) * 1e3:.0f} ms")


# ---- a full disk -----------------------------------------------------------------------------------------------------


async def full_disk():
    place = tempfile.mkdtemp(prefix="captiond-soak-disk-")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True).returncode:
        print("skip   a full disk: a small file system cannot be mounted (not root)", flush=True)
        os.rmdir(place)
        return
    try:
        daemon = await Daemon(f"{place}/data", "--min-free-mb", "1").ready()
        await daemon.ask("PUT", "/v1/datasets/soak")
        acknowledged, refused = {}, 0
        for seed in range(3000):
            image = photo(10**6 + seed, 96)
            status, _ = await daemon.ask("POST", "/v1/datasets/soak/items", form(image, f"photo number {seed}"),
                                         "multipart/form-data; boundary=soak-boundary")
            refused += status == 507
            if status in (200, 201):
                acknowledged[hashlib.sha256(image).hexdigest()] = f"photo number {seed}"
            if refused > 20:
                break
        daemon.kill()
        daemon = await Daemon(f"{place}/data", "--min-free-mb", "1").ready()
        lost = count_lost(acknowledged, await all_items(daemon), daemon.data)
        status, answer = await daemon.ask("DELETE", "/v1/datasets/soak")
        daemon.stop()
        bar("a full disk: refused, lost, deletable", refused > 20 and lost == 0 and status == 200,
            f"{refused} refused, {lost} of {len(acknowledged)} lost, delete {status}")
    finally:
        subprocess.run(["umount", "-l", place], capture_output=True)
        shutil.rmtree(place, ignore_errors=True)


# ---- a mixed load ----------------------------------------------------------------------------------------------------


async def mixed_client(daemon, left, statuses, until):
    kinds = [("GET", "/v1/models", b""), ("GET", "/metrics", b""), ("GET", "/v1/datasets/soak/items?limit=5", b""),
             ("POST", "/v1/caption", b"no image"), ("GET", "/nowhere", b""), ("GET", "/", b""),
             ("POST", "/v1/caption?max_words=6", photo(5)), ("GET", "/openapi.json", b"")]
    while left and time.monotonic() < until:
        n = left.pop()
        method, path, body = kinds[n % len(kinds)]
        try:
            status, _ = await daemon.ask(method, path, body)
        except (OSError, asyncio.TimeoutError):
            status = 0
        statuses[status] = statuses.get(status, 0) + 1


async def load(daemon):
    until = max(started + SECONDS, time.monotonic() + SECONDS / 4)
    statuses, sizes, done = {}, [], 0
    for part in range(10):
        left = list(range(REQUESTS // 10))
        await asyncio.gather(*(mixed_client(daemon, left, statuses, until) for _ in range(16)))
        done += REQUESTS // 10 - len(left)
        sizes.append(daemon.resident())
    growth = sizes[-1] / sizes[0] - 1
    wrong = {s: n for s, n in statuses.items() if s not in (200, 400, 404, 415, 422, 503)}
    bar(f"{done} requests: memory within 5 %", growth <= 0.05,
        f"{sizes[0] >> 20} MB behind a tenth, {sizes[-1] >> 20} MB at the end ({growth:+.1%})")
    bar("of them, answered neither well nor with a reason", not wrong, f"{wrong or 0} of {statuses}")


async def terminate(daemon):
    stop = asyncio.Event()
    bad = [asyncio.create_task(kind(daemon, stop)) for kind in (slow_client, leaving_client) for _ in range(BAD // 4)]
    good = [asyncio.create_task(good_client(daemon, stop, [], [], i)) for i in range(GOOD)]
    await asyncio.sleep(3)
    status, seconds = await asyncio.to_thread(daemon.stop)
    stop.set()
    for task in bad + good:
        task.cancel()
    await asyncio.gather(*bad, *good, return_exceptions=True)
    bar(f"SIGTERM under load: within {DRAIN_MS / 1000:.0f} s", status == 0 and seconds <= DRAIN_MS / 1000 + 1,
        f"exit status {status} after {seconds:.1f} s")


async def main():
    data = tempfile.mkdtemp(prefix="captiond-soak-")
    try:
        daemon, acknowledged = await kills(data)
        daemon = await lose_index(daemon, acknowledged)
        await full_disk()
        await crowd(daemon)
        await load(daemon)
        await terminate(daemon)
    finally:
        shutil.rmtree(data, ignore_errors=True)
    print(f"{sum(bars)} of {len(bars)} bars held, in {time.monotonic() - started:.0f} s")
    return 0 if all(bars) else 1


sys.exit(asyncio.run(main()))
