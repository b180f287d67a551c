"""PyTorch's optimisers, clipping and schedules: parameters after each step, as tests/optim/golden/optimisers.json.

Run `python3 tests/optim/golden/optimisers.py > tests/optim/golden/optimisers.json` with PyTorch 1.13 and then `deno fmt`.
"""
import json
import math

import torch
from torch.optim import lr_scheduler as lr

torch.manual_seed(12)
double = dict(dtype=torch.float64)
# Few digits, so that the file stays small and both sides read the same numbers.
drawn = lambda *shape: (torch.randn(shape, **double) * 300).round() / 100
SHAPES = [(2, 3), (3,), ()]
STEPS = 6


def plain(x):
    return x.detach().flatten().tolist()


names = dict(learningRate="lr", weightDecay="weight_decay")


def run(name, make, options, rates=None):
    """The gradients are drawn, since the loss does not matter. Some are 0, once all of them."""
    params = [drawn(*shape).requires_grad_() for shape in SHAPES]
    given = {names.get(k, k): v for k, v in options.items() if k not in ("beta1", "beta2")}
    if "beta1" in options:
        given["betas"] = (options["beta1"], options["beta2"])
    optimiser = make(params, **given)
    written = {"optimiser": name, "options": options, "start": [plain(p) for p in params], "steps": []}
    if rates:
        written["rates"] = rates
    for step in range(STEPS):
        for p in params:
            p.grad = drawn(*p.shape) * (step != 3)
        params[0].grad[0, 0] = 0
        if rates:
            optimiser.param_groups[0]["lr"] = rates[step]
        gradients = [plain(p.grad) for p in params]
        optimiser.step()
        written["steps"].append({"gradients": gradients, "params": [plain(p) for p in params]})
    return written


optimisers = [
    *(
        run("sgd", torch.optim.SGD, {"learningRate": 0.1, **options})
        for options in [
            {},
            {"weightDecay": 0.3},
            {"momentum": 0.9},
            {"momentum": 1.0},
            {"momentum": 0.9, "dampening": 0.4},
            {"momentum": 0.9, "dampening": 0.4, "weightDecay": 0.3},
            {"momentum": 0.9, "nesterov": True},
            {"momentum": 0.5, "nesterov": True, "weightDecay": 0.1},
        ]
    ),
    run("sgd", torch.optim.SGD, {"learningRate": 0.1, "momentum": 0.9}, [0.1, 0.1, 0.05, 0.0, 0.02, 0.3]),
    *(
        run("adamW", torch.optim.AdamW, options)
        for options in [
            {},
            {"learningRate": 0.1},
            {"learningRate": 0.1, "weightDecay": 0},
            {"learningRate": 0.1, "weightDecay": 0.5},
            {"learningRate": 0.1, "beta1": 0.5, "beta2": 0.7, "eps": 0.1},
            {"learningRate": 0.1, "beta1": 0.0, "beta2": 0.9},
        ]
    ),
    run("adamW", torch.optim.AdamW, {"weightDecay": 0.2}, [0.1, 0.1, 0.05, 0.0, 0.02, 0.3]),
]

clips = []
for limit in [0, 0.5, 4, 100, math.inf]:
    for p in [2.0, 1.0, 3.0, math.inf]:
        tensors = [drawn(*shape).requires_grad_() for shape in SHAPES]
        for t in tensors:
            t.grad = drawn(*t.shape)
        given = [plain(t.grad) for t in tensors]
        norm = torch.nn.utils.clip_grad_norm_(tensors, limit, p)
        text = lambda x: "Infinity" if math.isinf(x) else x
        clips.append({"maxNorm": text(limit), "p": text(p), "gradients": given, "norm": norm.item(),
                      "clipped": [plain(t.grad) for t in tensors]})


def rates(make, base=0.2, steps=12):
    """The rates of the first steps."""
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=base)
    scheduler = make(optimiser)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return {"base": base, "rates": found}


warmed = lambda o, after, at, **options: lr.SequentialLR(o, [lr.LinearLR(o, total_iters=at, **options), after], [at])
schedules = {
    "stepped": rates(lambda o: lr.StepLR(o, 3, 0.5)),
    "exponential": rates(lambda o: lr.ExponentialLR(o, 0.8)),
    "cosine": rates(lambda o: lr.CosineAnnealingLR(o, 11)),
    "cosineToMinimum": rates(lambda o: lr.CosineAnnealingLR(o, 11, 0.05)),
    "warmUp": rates(lambda o: lr.LinearLR(o, total_iters=4)),
    "warmUpFrom": rates(lambda o: lr.LinearLR(o, start_factor=0.1, total_iters=4)),
    "warmUpThenStepped": rates(lambda o: warmed(o, lr.StepLR(o, 3, 0.5), 4)),
}

print(json.dumps({"torch": torch.__version__, "optimisers": optimisers, "clips": clips, "schedules": schedules}))
