"""PyTorch's losses with their options: inputs, values and gradients, as tests/ops/golden/losses.json.

Run `python3 tests/ops/golden/losses.py > tests/ops/golden/losses.json` with PyTorch 1.13 and then `deno fmt`.
"""
import itertools
import json

import torch
import torch.nn.functional as F

torch.manual_seed(11)
double = dict(dtype=torch.float64)
# Few digits, so that the file stays small and both sides read the same numbers.
drawn = lambda *shape: (torch.randn(*shape, **double) * 300).round() / 100
positive = lambda *shape: (torch.rand(*shape, **double) * 400 + 10).round() / 100
cases = []


def plain(x):
    return {"shape": list(x.shape), "data": x.detach().flatten().tolist()}


def case(name, f, inputs, options, reduction):
    """The derivatives are those along a cotangent of distinct numbers."""
    moving = [x for x in inputs if x.is_floating_point()]
    for x in moving:
        x.requires_grad_()
    y = f(*inputs)
    cotangent = torch.arange(1, y.numel() + 1, **double).reshape(y.shape) / 4
    gradients = torch.autograd.grad(y, moving, cotangent)
    cases.append({
        "loss": name,
        "inputs": [plain(x) for x in inputs],
        "options": {**options, "reduction": reduction},
        "cotangent": plain(cotangent),
        "value": plain(y),
        "gradients": [plain(g) for g in gradients],
    })


reductions = ["none", "mean", "sum"]

for shape, reduction in itertools.product([(4, 5), (2, 3, 4)], reductions):
    logits = drawn(*shape)
    classes = shape[1]
    labels = torch.randint(classes, (shape[0], *shape[2:]))
    weight = positive(classes)
    ignored = labels.clone().flatten()
    ignored[1] = -100
    ignored = ignored.reshape(labels.shape)
    for options in [
        {"weight": weight},
        {"labelSmoothing": 0.1},
        {"labelSmoothing": 1.0},
        {"ignoreIndex": int(labels.flatten()[0])},
        {"ignoreIndex": -100},
        {"weight": weight, "labelSmoothing": 0.3},
        {"weight": weight, "labelSmoothing": 0.3, "ignoreIndex": -100},
        {"labelSmoothing": 0.3, "ignoreIndex": -100},
    ]:
        given = ignored if options.get("ignoreIndex") == -100 else labels
        f = lambda x, t: F.cross_entropy(
            x, t, reduction=reduction, weight=options.get("weight"),
            label_smoothing=options.get("labelSmoothing", 0.0), ignore_index=options.get("ignoreIndex", -100))
        written = {k: v.tolist() if torch.is_tensor(v) else v for k, v in options.items()}
        case("crossEntropy", f, [logits.clone(), given], written, reduction)

for reduction in reductions:
    logits, targets = drawn(3, 4), torch.rand(3, 4, **double).mul(8).round() / 8
    for options in [
        {"weight": positive(3, 4)},
        {"weight": positive(4)},
        {"posWeight": positive(4)},
        {"weight": positive(3, 1), "posWeight": positive(4)},
    ]:
        f = lambda x, t: F.binary_cross_entropy_with_logits(
            x, t, reduction=reduction, weight=options.get("weight"), pos_weight=options.get("posWeight"))
        written = {k: v.tolist() for k, v in options.items()}
        case("binaryCrossEntropyWithLogits", f, [logits.clone(), targets.clone()], written, reduction)
    prediction, target = drawn(3, 4), drawn(3, 4)
    # Differences of 0, and ends of the parabola.
    prediction[0] = target[0] + torch.tensor([0.0, 0.5, -0.5, 2.0], **double)
    for beta in [0.0, 0.5, 1.0, 2.0]:
        f = lambda x, y: F.smooth_l1_loss(x, y, reduction=reduction, beta=beta)
        # Where beta and the difference are 0, PyTorch's derivative is -1, ours 0.
        moved = prediction + (target == prediction) * (beta == 0)
        case("smoothL1", f, [moved.clone(), target.clone()], {"beta": beta}, reduction)
    for delta in [0.5, 1.0, 2.0]:
        f = lambda x, y: F.huber_loss(x, y, reduction=reduction, delta=delta)
        case("huber", f, [prediction.clone(), target.clone()], {"delta": delta}, reduction)

print(json.dumps({"torch": torch.__version__, "cases": cases}))
