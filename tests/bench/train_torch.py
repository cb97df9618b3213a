#!/usr/bin/env python3
"""The peer of `captiond bench train`: the same captioner and the same training step in PyTorch (Debian's python3-torch).

One step is what captiond's trainer does for one batch: h0 = features W_proj + b_proj, word vectors with dropout, the
recurrent layer, dropout, vocabulary scores, cross-entropy with label smoothing, backward, global-norm clipping, Adam.
With --precision mixed the forward pass runs under torch.autocast in bfloat16, as PyTorch's documentation has it. (1.13
takes the linear layers there and leaves nn.LSTM and nn.RNN in float32.)
Prints one CSV line under the header of captiond's own: implementation,kind,precision,captions_per_second
"""
import argparse
import time

import torch
from torch import nn
from torch.nn import functional as F


class Captioner(nn.Module):
    def __init__(self, kind, features, words, hidden, vocabulary):
        super().__init__()
        self.kind = kind
        self.project = nn.Linear(features, hidden)
        self.embed = nn.Embedding(vocabulary, words)
        self.cell = (nn.LSTM if kind == "lstm" else nn.RNN)(words, hidden)
        self.score = nn.Linear(hidden, vocabulary)

    def forward(self, features, inputs):  # [N, D], [T, N] -> [T, N, V]
        h0 = self.project(features).unsqueeze(0)
        state = (h0, torch.zeros_like(h0)) if self.kind == "lstm" else h0
        h, _ = self.cell(F.dropout(self.embed(inputs), 0.5), state)
        return self.score(F.dropout(h, 0.5))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=("rnn", "lstm"), default="lstm")
    parser.add_argument("--precision", choices=("float", "mixed"), default="float")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    for name, size in (("batch", 100), ("steps", 12), ("words", 256), ("hidden", 512), ("vocabulary", 2500)):
        parser.add_argument("--" + name, type=int, default=size)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)

    net = Captioner(o.kind, 1280, o.words, o.hidden, o.vocabulary)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    features = torch.randn(o.batch, 1280)
    captions = torch.randint(4, o.vocabulary, (o.steps + 1, o.batch))

    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.precision == "mixed"):
            scores = net(features, captions[:-1])
        loss = F.cross_entropy(scores.float().reshape(-1, o.vocabulary), captions[1:].reshape(-1), ignore_index=0,
                               label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()

    step()  # warm-up
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < o.seconds:
        step()
        steps += 1
    print("implementation,kind,precision,captions_per_second")
    print(f"pytorch,{o.kind},{o.precision},{steps * o.batch / (time.perf_counter() - start):.1f}")


main()
