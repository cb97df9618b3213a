"""Writes the encoder as an ONNX file, from our own weight file, so that ONNX Runtime can be timed on the same network.

    /usr/bin/python3 tests/bench/encoder_onnx.py weights/efficientnet-b0.safetensors build/bench/encoder.onnx

Input [n, 3, h, w], normalised already; output [n, 1280], the mean of the last feature map. With a third argument,
"logits", the class scores [n, 1000] come out as well (tests/fooled.sh). Needs Debian's python3-onnx.
"""
import json
import sys

import numpy
from onnx import TensorProto, checker, helper, numpy_helper, save

STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]  # of the depthwise convolutions


def read_safetensors(path):
    data = open(path, "rb").read()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    types = {"F16": numpy.float16, "F32": numpy.float32}
    tensors = {}
    for name, info in header.items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in info["data_offsets"])
            tensors[name] = numpy.frombuffer(data[begin:end], types[info["dtype"]]).reshape(info["shape"])
    return {name: tensor.astype(numpy.float32) for name, tensor in tensors.items()}


class Network:
    def __init__(self, weights):
        self.weights, self.nodes, self.initializers, self.at = weights, [], [], "image"

    def add(self, op, *inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        self.at = name
        return name

    def convolution(self, layer, stride=1):
        weight, bias = self.weights[layer + ".weight"], self.weights[layer + ".bias"]
        depthwise = layer.endswith("depthwise")
        for part, array in (("weight", weight.transpose(3, 2, 0, 1)), ("bias", bias)):
            self.initializers.append(numpy_helper.from_array(numpy.ascontiguousarray(array), f"{layer}.{part}"))
        self.add("Conv", self.at, layer + ".weight", layer + ".bias", auto_pad="SAME_UPPER", strides=[stride, stride],
                 kernel_shape=list(weight.shape[:2]), group=weight.shape[3] if depthwise else 1)

    def swish(self):
        x = self.at
        self.add("Mul", x, self.add("Sigmoid", x))

    def block(self, index):
        name, start = f"blocks.{index}.", self.at
        if name + "expand.weight" in self.weights:
            self.convolution(name + "expand")
            self.swish()
        self.convolution(name + "depthwise", STRIDES[index])
        self.swish()
        filtered = self.at
        self.add("GlobalAveragePool", filtered)
        self.convolution(name + "reduce")
        self.swish()
        self.convolution(name + "excite")
        self.add("Mul", filtered, self.add("Sigmoid", self.at))
        self.convolution(name + "project")
        first = name + ("expand" if name + "expand.weight" in self.weights else "reduce") + ".weight"
        if STRIDES[index] == 1 and self.weights[first].shape[2] == self.weights[name + "project.weight"].shape[3]:
            self.add("Add", start, self.at)

    def model(self, with_logits):
        self.convolution("stem", 2)
        self.swish()
        for index in range(len(STRIDES)):
            self.block(index)
        self.convolution("head")
        self.swish()
        self.nodes.append(helper.make_node("GlobalAveragePool", [self.at], ["pooled"]))
        self.nodes.append(helper.make_node("Flatten", ["pooled"], ["features"]))
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 224, 224])
        features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 1280])
        outputs = [features]
        if with_logits:
            self.at = "pooled"
            self.convolution("classifier")
            self.nodes.append(helper.make_node("Flatten", [self.at], ["logits"]))
            outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1000]))
        graph = helper.make_graph(self.nodes, "efficientnet-b0", [image], outputs, self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def main():
    model = Network(read_safetensors(sys.argv[1])).model("logits" in sys.argv[3:])
    checker.check_model(model)
    save(model, sys.argv[2])


if __name__ == "__main__":
    main()
