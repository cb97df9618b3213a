"""Evaluates a TensorFlow.js graph model with PyTorch, operation by operation.

An implementation of EfficientNet-B0 that shares nothing with model/: it reads the published graph itself and knows
operations, not networks. encoder_blocks.py makes golden numbers with it, tests/bench/ exports it to ONNX.
"""
import base64
import json
import pathlib

import numpy
import torch
import torch.nn.functional as F


def text(attribute):
    return base64.b64decode(attribute["s"]).decode()


def same_padding(size, kernel, stride):
    """Zeros before and behind: ceil(size / stride) outputs, the odd zero behind (TensorFlow's SAME)."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Graph:
    def __init__(self, package, dtype=torch.float64, round_weights=lambda tensor: tensor):
        folder = pathlib.Path(package) / "lib/tfjs/web_model"
        model = json.loads((folder / "model.json").read_text())
        self.dtype = dtype
        self.constants = self.read_weights(folder, model["weightsManifest"], round_weights)
        self.nodes = {n["name"]: n for n in model["modelTopology"]["node"] if n["op"] != "Const"}

    def read_weights(self, folder, manifest, round_weights):
        constants = {}
        for group in manifest:
            data, offset = b"".join((folder / path).read_bytes() for path in group["paths"]), 0
            for weight in group["weights"]:
                count = int(numpy.prod(weight["shape"]))
                array = numpy.frombuffer(data, weight["dtype"], count, offset).reshape(weight["shape"])
                tensor = torch.from_numpy(array.copy())
                if tensor.dtype == torch.float32:
                    tensor = round_weights(tensor).to(self.dtype)
                constants[weight["name"]] = tensor
                offset += 4 * count
        return constants

    def run(self, image, wanted):
        """image [N, H, W, 3], 0..1. Returns the results of the nodes whose names end in one of `wanted`."""
        values = dict(self.constants, image_input=image)
        for node in self.ordered():
            inputs = [values[name] for name in node["input"]]
            values[node["name"]] = getattr(self, node["op"])(node["attr"], *inputs)
        return {end: values[name] for name in self.nodes for end in wanted if name.endswith(end)}

    def ordered(self):
        """Nodes so that each comes after its inputs."""
        done, order = set(self.constants) | {"image_input"}, []
        waiting = [n for n in self.nodes.values() if n["op"] != "Placeholder"]
        while waiting:
            ready = [n for n in waiting if all(name in done for name in n["input"])]
            assert ready, "the graph has a cycle or an unknown input"
            order += ready
            done |= {n["name"] for n in ready}
            waiting = [n for n in waiting if n["name"] not in done]
        return order

    def convolve(self, attr, x, weight, bias, groups):
        assert text(attr["padding"]) == "SAME" and text(attr["data_format"]) == "NHWC"
        assert [base64.b64decode(s) for s in attr["fused_ops"]["list"]["s"]] == [b"BiasAdd"]
        stride = int(attr["strides"]["list"]["i"][1])
        rows, cols = (same_padding(x.shape[i], weight.shape[2 + i - 1], stride) for i in (1, 2))
        x = F.pad(x.permute(0, 3, 1, 2), cols + rows)
        return F.conv2d(x, weight, bias, stride, groups=groups).permute(0, 2, 3, 1)

    def _FusedConv2D(self, attr, x, weight, bias):
        return self.convolve(attr, x, weight.permute(3, 2, 0, 1), bias, 1)

    def FusedDepthwiseConv2dNative(self, attr, x, weight, bias):
        return self.convolve(attr, x, weight.permute(2, 3, 0, 1), bias, weight.shape[2])

    def _FusedMatMul(self, attr, x, weight, bias):
        return x @ weight + bias

    def Mean(self, attr, x, axes):
        return x.mean(tuple(int(a) for a in axes), keepdim=attr["keep_dims"]["b"])

    def Shape(self, attr, x):
        return torch.tensor(x.shape)

    def StridedSlice(self, attr, x, begin, end, stride):
        assert attr["shrink_axis_mask"]["i"] == "1"
        return x[int(begin)]

    def Pack(self, attr, *parts):
        return torch.stack([part.to(torch.int64) for part in parts])

    def Reshape(self, attr, x, shape):
        return x.reshape([int(s) for s in shape])

    def BroadcastTo(self, attr, x, shape):
        return x.expand([int(s) for s in shape])

    def Mul(self, attr, a, b):
        return a * b

    def Sub(self, attr, a, b):
        return a - b

    def RealDiv(self, attr, a, b):
        return a / b

    def AddV2(self, attr, a, b):
        return a + b

    def Sigmoid(self, attr, x):
        return torch.sigmoid(x)

    def Softmax(self, attr, x):
        return torch.softmax(x, -1)

    def Identity(self, attr, x):
        return x
