"""The SSD loss in PyTorch, written as its definition; bench/ssd_loss.ts runs it alongside gpugrad.

Reads DIRECTORY/problem.json and the float32 arrays next to it. Then, for each line "N" on standard input, computes loss and
gradients N times and prints the milliseconds of each as JSON; the first line printed describes the result.
"""
import json
import sys
import time

import torch

from ssd_definition import ssd_loss

directory, threads, device, copies = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "read"
torch.set_num_threads(threads)
problem = json.load(open(f"{directory}/problem.json"))
batch, classes, boxes = problem["batch"], problem["classes"], problem["boxes"]


def load(name, shape):
    with open(f"{directory}/{name}.f32", "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.float32).reshape(shape).clone().to(device)


loc = load("loc", (batch, 4, boxes)).requires_grad_()
logits = load("logits", (batch, classes + 1, boxes)).requires_grad_()
host = loc.detach().cpu(), logits.detach().cpu()
default = load("default_boxes", (boxes, 4))
targets = load("targets", (-1, 6))


def loss():
    return ssd_loss(loc, logits, default, targets)


def finish():
    """Waits for the device, which computes while Python goes on."""
    if device == "cuda":
        torch.cuda.synchronize()


def step():
    global loc, logits
    if copies and device == "cuda":
        loc = host[0].to(device).requires_grad_()
        logits = host[1].to(device).requires_grad_()
    loc.grad = None
    logits.grad = None
    total = loss()
    total.backward()
    if copies:
        loc.grad.cpu(), logits.grad.cpu()
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
        finish()
        start = time.perf_counter()
        step()
        finish()
        times.append((time.perf_counter() - start) * 1000)
    print(json.dumps(times), flush=True)
