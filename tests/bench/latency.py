#!/usr/bin/env python3
"""Caption latency with and without a job in the background (a training, a dream), for each way it gives way.

In every round, and for each level of --background and number of clients that ask one after the other, the same photo is
captioned without a job and then with one: a training of the shipped LSTM's size (H 512, W 512, 3000 words), batches of
100; or a dream of 448 pixels. So whatever else the machine does meets both alike.
"""
import argparse
import http.client
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

PHOTO = pathlib.Path("tests/fixtures/images/baseline.jpg")
DREAMT = pathlib.Path("docs/images/astronaut.jpg")
LEVELS, CLIENTS = ["idle", "low", "normal"], [1, 4]
WORDS, CAPTIONS = 3000, 4000


def write_course(root):
    """A course as large for the decoder as a real one, on a few pictures: encoding is not what is measured."""
    draw = random.Random(1)
    words = ["".join(draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(8)) for _ in range(WORDS)]
    lines = []
    for i in range(CAPTIONS):
        lines.append(f"{i % 8}.jpg\t{' '.join(draw.choice(words) for _ in range(11))}\n")
    for i in range(8):
        (root / f"{i}.jpg").write_bytes(PHOTO.read_bytes())
    (root / "captions.tsv").write_text("".join(lines))


class Daemon:
    def __init__(self, program, directory, level):
        command = [program, "serve", "--port", "0", "--data", f"{directory}/data-{level}", "--training-root",
                   f"{directory}/course", "--background", level]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "event=listening" in line:
                self.port = int(line.split("port=")[1].split()[0])
            if "event=ready" in line:
                break
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def ask(self, connection, method, path, body=None):
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status < 300, text
        return json.loads(text)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port)

    def begin_training(self):
        request = {"dataset": {"images": ".", "captions": "captions.tsv"}, "model": f"m{time.monotonic_ns()}",
                   "from_scratch": True, "minimum_captions": 1, "hidden": 512, "words": 512, "batch": 100, "epochs": 100000, "minimum_count": 1, "flip": False,
                   "dev_fraction": 0}
        job = self.ask(self.connect(), "POST", "/v1/train", json.dumps(request))["id"]
        return self.wait_until_begun(job)

    def begin_dream(self):
        path = "/v1/dream?octaves=8&steps=120&max_side=448&preview_every=0"
        return self.wait_until_begun(self.ask(self.connect(), "POST", path, DREAMT.read_bytes())["id"])

    def wait_until_begun(self, job):
        while not self.steps(job) > 0:
            time.sleep(0.1)
        return job

    def steps(self, job):
        progress = self.job(job)["progress"] or {}
        return progress.get("iteration") or progress.get("step") or 0

    def job(self, job):
        return self.ask(self.connect(), "GET", f"/v1/jobs/{job}")

    def end_job(self, job):
        self.ask(self.connect(), "DELETE", f"/v1/jobs/{job}")
        time.sleep(1)

    def stop(self):
        self.process.terminate()
        assert self.process.wait() == 0


def measure(daemon, clients, requests):
    """Milliseconds of each request."""
    times, photo = [], PHOTO.read_bytes()

    def client(n):
        connection = daemon.connect()
        for _ in range(n):
            start = time.perf_counter()
            daemon.ask(connection, "POST", "/v1/caption", photo)
            times.append((time.perf_counter() - start) * 1e3)

    threads = [threading.Thread(target=client, args=(requests // clients,)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--captiond", required=True)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", choices=["training", "dream"], default="training")
    parser.add_argument("--levels", default=",".join(LEVELS))
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "course").mkdir()
        write_course(pathlib.Path(directory) / "course")
        for level in options.levels.split(","):
            daemon = Daemon(options.captiond, directory, level)
            measure(daemon, 2, 20)
            for _ in range(options.rounds):
                for clients in CLIENTS:
                    results.setdefault((level, clients, "no"), []).extend(measure(daemon, clients, options.requests))
                    job = daemon.begin_dream() if options.work == "dream" else daemon.begin_training()
                    before, start = daemon.steps(job), time.monotonic()
                    results.setdefault((level, clients, "yes"), []).extend(measure(daemon, clients, options.requests))
                    steps = (daemon.steps(job) - before) / (time.monotonic() - start)
                    results.setdefault((level, clients, "steps"), []).append(steps)
                    daemon.end_job(job)
            daemon.stop()
    print(f"background,clients,{options.work},requests,p50_ms,p99_ms,{options.work}_steps_per_second")
    for (level, clients, working), times in results.items():
        if working == "steps":
            continue
        cuts = statistics.quantiles(times, n=100)
        steps = statistics.mean(results[level, clients, "steps"]) if working == "yes" else 0
        print(f"{level},{clients},{working},{len(times)},{cuts[49]:.1f},{cuts[98]:.1f},{steps:.2f}")
        print(f"{level:7} {clients} client(s), {options.work}: {working:3}  p50 {cuts[49]:6.1f} ms  p99 {cuts[98]:6.1f} ms"
              f"  {steps:5.2f} steps/s", file=sys.stderr)


if __name__ == "__main__":
    main()
