"""What PyTorch computes for what docs/coming-from.md says is the same, as tests/tooling/coming_from/pytorch.json.

Run `python3 tests/tooling/coming_from/pytorch.py > tests/tooling/coming_from/pytorch.json` with PyTorch 1.13 and then `deno fmt`.
"""
import json
import math
import re
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
x = torch.tensor([[1.0, -2.0, 0.5], [4.0, 4.0, -1.5]])
y = torch.tensor([[0.25, 1.0, -3.0], [2.0, 4.0, 6.0]])
v = torch.tensor([3.0, -1.0, 3.0, math.nan, 2.0])
most = torch.tensor([3.0, -1.0, 5.0, math.nan, 2.0])  # ties of topk are in no order
cube = torch.arange(12.0).reshape(2, 2, 3)
image = (torch.arange(16.0) - 7).reshape(1, 1, 4, 4)
kernel = torch.tensor([[[[1.0, -2.0], [0.5, 3.0]]]])
picks = torch.tensor([[2, 0], [1, 1]])
rows = torch.tensor([1, 0, 1])
labels = torch.tensor([2, 0])
rows_of_w = rows
five = torch.tensor([3.0, -1.0, 5.0, 0.5, 2.0])
functional = torch.autograd.functional
f = lambda x: (x**3 * y).sum()
g = lambda x: x**2 * y


def leaf(function):
    """Calls a function with a tensor that asks for its gradient."""
    return function(x.clone().requires_grad_())


def step():
    inputs, wanted, w = torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([[1.0], [2]]), torch.zeros(2, 1).requires_grad_()
    loss = F.smooth_l1_loss(inputs @ w, wanted)
    (slope,) = torch.autograd.grad(loss, w)
    return loss, w - 0.1 * slope


def plain(value):
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    value = value.detach()
    return {
        "shape": list(value.shape),
        "data": [str(number) if math.isnan(number) else number for number in value.double().flatten().tolist()],
    }


results = {
    "add": x + y,
    "mul": x * y,
    "grad": leaf(lambda x: torch.autograd.grad(f(x), x)),
    "backward": leaf(lambda x: (f(x).backward(), x.grad)[1]),
    "vjp": functional.vjp(g, x, y),
    "jvp": functional.jvp(g, x, y),
    "hvp": functional.hvp(f, x, y)[1],
    "jacobian": functional.jacobian(g, x),
    "hessian": functional.hessian(f, x),
    "detach": leaf(lambda x: torch.autograd.grad((x * x.detach()).sum(), x)),
    "sum": x.sum(1, keepdim=True),
    "max": x.amax(1),
    "where": torch.where(x > 0, x, y),
    "clamp": torch.clamp(x, -1, 2),
    "gather": torch.gather(x, 1, picks),
    "take": x.index_select(0, rows),
    "slice": x[1:3, :],
    "unsqueeze": x.unsqueeze(1),
    "squeeze": x.unsqueeze(1).squeeze(1),
    "concat": torch.cat([x, y], 1),
    "stack": torch.stack([x, y], 1),
    "split": torch.split(x, [1, 2], 1),
    "transpose": cube.permute(0, 2, 1),
    "matmul": torch.matmul(x, y.T),
    "einsum": torch.einsum("ij,kj->ik", x, y),
    "conv2d": F.conv2d(image, kernel),
    "maxPool2d": F.max_pool2d(image, 2, stride=1),
    "avgPool2d": F.avg_pool2d(image, 2, stride=1),
    "diag": [torch.diag(x, 1), torch.diag(picks[0].double())],
    "trace": torch.trace(x),
    "topK": torch.topk(most, 2),
    "sort": torch.sort(v),
    "argsort": torch.argsort(v, stable=True),
    "scan": torch.stack([x[0], x[0] + x[1]]),
    "crossEntropy": F.cross_entropy(x, labels),
    "binaryCrossEntropyWithLogits": F.binary_cross_entropy_with_logits(x, torch.sigmoid(y)),
    "smoothL1": F.smooth_l1_loss(x, y, beta=0.5),
    "huber": F.huber_loss(x, y, delta=0.5),
    "step": step(),
}

def written():
    """What the page says to write with other ops, by PyTorch's way to write it."""
    page = (Path(__file__).parents[3] / "docs" / "coming-from.md").read_text()
    rows = page[page.index("## What is written with other ops") :].splitlines()
    calls = [code for row in rows if row.startswith("| `") for code in re.findall(r"`([^`]*)`", row.split("|")[1])]
    names = {"torch": torch, "F": F, "x": x, "y": y, "p": y.clamp(0, 1), "w": y, "rows": rows_of_w, "a": x[0], "b": y[0], "v": five}
    return {code: plain(eval(code, names)) for code in calls if "(" in code and "dropout" not in code}


print(json.dumps({"torch": torch.__version__, "results": {name: plain(value) for name, value in results.items()}, "written": written()}))
