"""The SSD loss in PyTorch, as its definition reads; bench/ssd_loss.ts runs it beside gpugrad.

Reads DIRECTORY/problem.json and the float32 arrays beside it. Then, for each line "N" on standard input, computes loss and
gradients N times and prints the milliseconds of each as JSON; the first line printed describes the result.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

directory, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
problem = json.load(open(f"{directory}/problem.json"))
batch, classes, boxes = problem["batch"], problem["classes"], problem["boxes"]


def load(name, shape):
    with open(f"{directory}/{name}.f32", "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.float32).reshape(shape).clone()


loc = load("loc", (batch, 4, boxes)).requires_grad_()
logits = load("logits", (batch, classes + 1, boxes)).requires_grad_()
default = load("default_boxes", (boxes, 4))
targets = load("targets", (-1, 6))


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


def loss():
    labels = torch.zeros(batch, boxes, dtype=torch.long)
    truth = torch.ones(batch, boxes, 4)
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
    closs = (entropy * (positive.float() + hard.float())).sum(dim=1)
    return ((smooth + closs) * (count > 0).float() / count.float().clamp(min=1e-6)).mean()


def step():
    loc.grad = None
    logits.grad = None
    total = loss()
    total.backward()
    return total


total = step()
print(json.dumps({
    "version": torch.__version__,
    "total": total.item(),
    "gradLoc": loc.grad.double().abs().sum().item(),
    "gradLogits": logits.grad.double().abs().sum().item(),
}), flush=True)
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1000)
    print(json.dumps(times), flush=True)
