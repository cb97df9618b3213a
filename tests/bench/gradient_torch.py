"""The peer of `captiond bench gradient`: the same network in PyTorch, forward and back to the image.

    /usr/bin/python3 tests/bench/gradient_torch.py WEIGHTS time THREADS SECONDS     one CSV line, as captiond prints

The weights want no gradient, so PyTorch computes that of the image alone, as captiond does. LAYOUT: channels_last or
contiguous_format, PyTorch's two memory layouts. Needs Debian's python3-torch.
"""
import json
import os
import sys
import time

import numpy
import torch
from torch.nn import functional

STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]  # of the depthwise convolutions
LAYOUT = getattr(torch, os.environ.get("LAYOUT", "channels_last"))
SIDE, CLASS = 224, 285


def read_weights(path):
    data = open(path, "rb").read()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    types = {"F16": numpy.float16, "F32": numpy.float32}
    weights = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in info["data_offsets"])
        array = numpy.frombuffer(data[begin:end], types[info["dtype"]]).reshape(info["shape"]).astype(numpy.float32)
        tensor = torch.from_numpy(array)
        if tensor.dim() == 4:
            tensor = tensor.permute(3, 2, 0, 1).contiguous(memory_format=LAYOUT)
        weights[name] = tensor
    return weights


class Network:
    def __init__(self, path):
        self.weights = read_weights(path)

    def convolution(self, x, layer, stride=1):
        weight, bias = self.weights[layer + ".weight"], self.weights[layer + ".bias"]
        kernel = weight.shape[2]
        total = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[2:]]
        groups = weight.shape[0] if layer.endswith("depthwise") else 1
        if total[0] % 2 or total[1] % 2:  # TensorFlow's SAME: the odd row and column go behind
            x = functional.pad(x, (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2))
            total = [0, 0]
        return functional.conv2d(x, weight, bias, stride, (total[0] // 2, total[1] // 2), groups=groups)

    def block(self, x, index):
        name, start = f"blocks.{index}.", x
        if name + "expand.weight" in self.weights:
            x = functional.silu(self.convolution(x, name + "expand"))
        x = functional.silu(self.convolution(x, name + "depthwise", STRIDES[index]))
        gate = functional.silu(self.convolution(x.mean((2, 3), keepdim=True), name + "reduce"))
        gate = torch.sigmoid(self.convolution(gate, name + "excite"))
        x = self.convolution(x * gate, name + "project")
        return x + start if x.shape == start.shape else x

    def logits(self, x):
        x = functional.silu(self.convolution(x, "stem", 2))
        for index in range(len(STRIDES)):
            x = self.block(x, index)
        x = functional.silu(self.convolution(x, "head"))
        return self.convolution(x.mean((2, 3), keepdim=True), "classifier").flatten(1)


def gradient(network, image):
    image = image.detach().requires_grad_()
    network.logits(image)[0, CLASS].backward()
    return image.grad


def measure(network, threads, seconds):
    torch.set_num_threads(threads)
    image = torch.rand(1, 3, SIDE, SIDE).contiguous(memory_format=LAYOUT)
    gradient(network, image)
    passes, best, begin = 0, float("inf"), time.perf_counter()
    now = begin
    while now - begin < seconds:
        last = now
        gradient(network, image)
        now = time.perf_counter()
        passes, best = passes + 1, min(best, now - last)
    print("implementation,threads,passes_per_second,ms_per_pass,best_ms")
    print(f"pytorch {os.environ.get('LAYOUT', 'channels_last')},{threads},{passes / (now - begin):.2f},{1000 * (now - begin) / passes:.2f},{1000 * best:.2f}")


if __name__ == "__main__":
    net = Network(sys.argv[1])
    measure(net, int(sys.argv[3]), float(sys.argv[4]))
