#!/usr/bin/env python3
"""The peer of `captiond bench train`: the same captioner and the same training step in PyTorch (Debian's python3-torch).

One step is what captiond's trainer does for one batch: h0 = features W_proj + b_proj, word vectors with dropout, the
recurrent layer, dropout, vocabulary scores, cross-entropy with label smoothing, backward, global-norm clipping, Adam.
Captions are 6 to 18 words long, every length as often as another. With --packed the padding behind them is left out by
pack_padded_sequence; else it is computed and masked, as CS231n does.
With --precision mixed the forward pass runs under torch.autocast in bfloat16, as PyTorch's documentation has it. (1.13
takes the linear layers there and leaves nn.LSTM and nn.RNN in float32.)
Prints one CSV line under the header of captiond's own: implementation,kind,precision,captions_per_second
"""
import argparse
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence


class Captioner(nn.Module):
    def __init__(self, kind, features, words, hidden, vocabulary):
        super().__init__()
        self.kind = kind
        self.project = nn.Linear(features, hidden)
        self.embed = nn.Embedding(vocabulary, words)
        self.cell = (nn.LSTM if kind == "lstm" else nn.RNN)(words, hidden)
        self.score = nn.Linear(hidden, vocabulary)

    def forward(self, features, inputs, lengths):  # [N, D], [T, N], [N] or None -> [T, N, V], or [sum of N, V] packed
        h0 = self.project(features).unsqueeze(0)
        state = (h0, torch.zeros_like(h0)) if self.kind == "lstm" else h0
        x = F.dropout(self.embed(inputs), 0.5)
        h = self.cell(x, state)[0] if lengths is None else self.cell(pack_padded_sequence(x, lengths), state)[0].data
        return self.score(F.dropout(h, 0.5))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=("rnn", "lstm"), default="lstm")
    parser.add_argument("--precision", choices=("float", "mixed"), default="float")
    parser.add_argument("--packed", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    for name, size in (("batch", 100), ("shortest", 6), ("steps", 18), ("words", 256), ("hidden", 512), ("vocabulary", 2500)):
        parser.add_argument("--" + name, type=int, default=size)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)

    net = Captioner(o.kind, 1280, o.words, o.hidden, o.vocabulary)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    features = torch.randn(o.batch, 1280)
    captions = torch.randint(4, o.vocabulary, (o.steps + 1, o.batch))
    lengths = o.shortest + torch.arange(o.batch) % (o.steps - o.shortest + 1)
    lengths = lengths.sort(descending=True)[0]  # as pack_padded_sequence wants them
    captions[torch.arange(o.steps + 1).unsqueeze(1) > lengths] = 0  # NULL
    targets = pack_padded_sequence(captions[1:], lengths).data if o.packed else captions[1:].reshape(-1)

    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.precision == "mixed"):
            scores = net(features, captions[:-1], lengths if o.packed else None)
        loss = F.cross_entropy(scores.float().reshape(-1, o.vocabulary), targets, ignore_index=0, label_smoothing=0.1)
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
    print(f"pytorch{'-packed' if o.packed else ''},{o.kind},{o.precision},{steps * o.batch / (time.perf_counter() - start):.1f}")


main()
