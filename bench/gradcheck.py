"""PyTorch's gradcheck of the SSD loss; bench/gradcheck.ts runs it alongside gpugrad's on the same problem.

Reads DIRECTORY/problem.json. For each line "full", "fast" or "second" on standard input, runs one check and prints its milliseconds
as JSON; the first line printed describes the problem.
"""
import json
import os
import sys
import time

import torch

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases"))
from ssd_definition import ssd_loss

directory = sys.argv[1]
torch.set_num_threads(1)
problem = json.load(open(f"{directory}/problem.json"))
batch, boxes = problem["batch"], problem["boxes"]
double = dict(dtype=torch.float64)
loc = torch.tensor(problem["loc"], **double).reshape(batch, 4, boxes).requires_grad_()
logits = torch.tensor(problem["logits"], **double).reshape(batch, -1, boxes).requires_grad_()
default = torch.tensor(problem["defaultBoxes"], **double).reshape(boxes, 4)
targets = torch.tensor(problem["targets"], **double)


def loss(loc, logits):
    return ssd_loss(loc, logits, default, targets)


def check(kind):
    if kind == "second":
        return torch.autograd.gradgradcheck(loss, (loc, logits))
    return torch.autograd.gradcheck(loss, (loc, logits), fast_mode=kind == "fast")


print(json.dumps({"version": torch.__version__, "loss": loss(loc, logits).item()}), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    passed = check(line.strip())
    print(json.dumps({"ms": (time.perf_counter() - start) * 1000, "passed": passed}), flush=True)
