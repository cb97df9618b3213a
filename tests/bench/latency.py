#!/usr/bin/env python3
"""Caption latency with and without a training in the background, for each way the background gives way.

In every round, and for each level of --background and number of clients that ask one after the other, the same photo is
captioned without a training and then with one: the shipped LSTM's size (H 512, W 512, 3000 words), batches of 100. So
whatever else the machine does meets both alike.
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
                   "hidden": 512, "words": 512, "batch": 100, "epochs": 100000, "minimum_count": 1, "flip": False,
                   "dev_fraction": 0}
        job = self.ask(self.connect(), "POST", "/v1/train", json.dumps(request))["id"]
        while not ((self.job(job)["progress"] or {}).get("iteration") or 0) > 0:
            time.sleep(0.1)
        return job

    def job(self, job):
        return self.ask(self.connect(), "GET", f"/v1/jobs/{job}")

    def end_training(self, job):
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
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "course").mkdir()
        write_course(pathlib.Path(directory) / "course")
        for level in LEVELS:
            daemon = Daemon(options.captiond, directory, level)
            measure(daemon, 2, 20)
            for _ in range(options.rounds):
                for clients in CLIENTS:
                    results.setdefault((level, clients, "no"), []).extend(measure(daemon, clients, options.requests))
                    job = daemon.begin_training()
                    before, start = daemon.job(job)["progress"]["iteration"], time.monotonic()
                    results.setdefault((level, clients, "yes"), []).extend(measure(daemon, clients, options.requests))
                    steps = (daemon.job(job)["progress"]["iteration"] - before) / (time.monotonic() - start)
                    results.setdefault((level, clients, "steps"), []).append(steps)
                    daemon.end_training(job)
            daemon.stop()
    print("background,clients,training,requests,p50_ms,p99_ms,training_steps_per_second")
    for (level, clients, training), times in results.items():
        if training == "steps":
            continue
        cuts = statistics.quantiles(times, n=100)
        steps = statistics.mean(results[level, clients, "steps"]) if training == "yes" else 0
        print(f"{level},{clients},{training},{len(times)},{cuts[49]:.1f},{cuts[98]:.1f},{steps:.2f}")
        print(f"{level:7} {clients} client(s), training: {training:3}  p50 {cuts[49]:6.1f} ms  p99 {cuts[98]:6.1f} ms"
              f"  {steps:5.2f} steps/s", file=sys.stderr)


if __name__ == "__main__":
    main()
