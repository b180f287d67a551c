"""PyTorch's gradcheck of the SSD loss; bench/gradcheck.ts runs it beside gpugrad's on the same problem.

Reads DIRECTORY/problem.json. For each line "full", "fast" or "second" on standard input it checks once and prints the milliseconds
as JSON; the first line printed describes the problem.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

directory = sys.argv[1]
torch.set_num_threads(1)
problem = json.load(open(f"{directory}/problem.json"))
batch, boxes = problem["batch"], problem["boxes"]
double = dict(dtype=torch.float64)
loc = torch.tensor(problem["loc"], **double).reshape(batch, 4, boxes).requires_grad_()
logits = torch.tensor(problem["logits"], **double).reshape(batch, -1, boxes).requires_grad_()
default = torch.tensor(problem["defaultBoxes"], **double).reshape(boxes, 4)
targets = torch.tensor(problem["targets"], **double)


def corners(b):
    return torch.cat([b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2], dim=1)


def iou_matrix(a, b):
    a, b = corners(a), corners(b)
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = (high - low).clamp(min=0).prod(dim=2)
    area_a = ((a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1]))[:, None]
    area_b = ((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]))[None]
    return intersection / (area_a + area_b - intersection + 1e-9)


def match(rows):
    iou = iou_matrix(rows[:, 2:], default)
    best, target = iou.max(dim=0)
    forced = iou.max(dim=1)[1]
    best.index_fill_(0, forced, 2.0)
    for g in range(len(rows)):
        target[forced[g]] = g
    label = torch.where(best > 0.5, rows[target, 1].long() + 1, torch.zeros_like(target))
    return label, rows[target, 2:]


def loss(loc, logits):
    labels = torch.zeros(batch, boxes, dtype=torch.long)
    truth = torch.ones(batch, boxes, 4, **double)
    for i in range(batch):
        rows = targets[targets[:, 0] == i]
        if len(rows) > 0:
            labels[i], truth[i] = match(rows)
    positive = labels > 0
    count = positive.sum(dim=1)
    centre = (truth[..., :2] - default[None, :, :2]) / default[None, :, 2:] / 0.1
    size = (truth[..., 2:] / default[None, :, 2:]).log() / 0.2
    encoded = torch.cat([centre, size], dim=2).transpose(1, 2)
    smooth = (F.smooth_l1_loss(loc, encoded, reduction="none").sum(dim=1) * positive).sum(dim=1)
    entropy = F.cross_entropy(logits, labels, reduction="none")
    negative = entropy.detach().clone()
    negative[positive] = 0
    _, order = negative.sort(dim=1, descending=True)
    _, ranks = order.sort(dim=1)
    hard = ranks < torch.clamp(3 * count, max=boxes)[:, None]
    closs = (entropy * (positive.double() + hard.double())).sum(dim=1)
    return ((smooth + closs) * (count > 0).double() / count.double().clamp(min=1e-6)).mean()


def check(kind):
    if kind == "second":
        return torch.autograd.gradgradcheck(loss, (loc, logits))
    return torch.autograd.gradcheck(loss, (loc, logits), fast_mode=kind == "fast")


print(json.dumps({"version": torch.__version__, "loss": loss(loc, logits).item()}), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    passed = check(line.strip())
    print(json.dumps({"ms": (time.perf_counter() - start) * 1000, "passed": passed}), flush=True)
