"""PyTorch's functions: inputs, values and gradients, also where there is no derivative, as tests/ops/golden/functions.json.

Run `python3 tests/ops/golden/functions.py > tests/ops/golden/functions.json` with PyTorch 1.13 and then `deno fmt`.
"""
import json
import math

import torch
import torch.nn.functional as F

torch.manual_seed(12)
double = dict(dtype=torch.float64)
# Few digits, so that the file stays small and both sides read the same numbers.
drawn = lambda *shape: (torch.randn(*shape, **double) * 300).round() / 100
cases = []


def number(x):
    return x if math.isfinite(x) else str(x)


def plain(x):
    return {"shape": list(x.shape), "data": [number(v) for v in x.detach().flatten().tolist()]}


def case(name, f, inputs, arguments, precision=1e-12):
    """The derivatives are those along a cotangent of distinct numbers; the precision is that of PyTorch."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    y = f(*inputs)
    cotangent = torch.arange(1, y.numel() + 1, **double).reshape(y.shape) / 4
    gradients = torch.autograd.grad(y, inputs, cotangent)
    cases.append({
        "function": name,
        "inputs": [plain(x) for x in inputs],
        "arguments": arguments,
        "precision": precision,
        "cotangent": plain(cotangent),
        "value": plain(y),
        "gradients": [plain(g) for g in gradients],
    })


x = drawn(3, 4)
zeros = x.clone()
zeros[0, 1] = 0
zeros[1] = 0
ties = torch.tensor([[1.0, -2.0, 2.0, 0.5], [3.0, 3.0, -3.0, 3.0]], **double)
for p in [1, 2, 3, math.inf]:
    written = {"p": number(p)}
    case("norm", lambda t: torch.linalg.vector_norm(t, p, 1), [x], [1, written])
    case("norm", lambda t: torch.linalg.vector_norm(t, p, 1), [ties], [1, written])
    case("norm", lambda t: torch.linalg.vector_norm(t, p), [x], [[0, 1], written])
    if p != math.inf:
        case("norm", lambda t: torch.linalg.vector_norm(t, p, 1), [zeros], [1, written])
        case("normalize", lambda t: F.normalize(t, p, 1), [x], [1, written])
        case("normalize", lambda t: F.normalize(t, p, 0, 20.0), [x], [0, {"eps": 20.0, **written}])
        case("pairwiseDistance", lambda a, b: F.pairwise_distance(a, b, p), [x, drawn(3, 4)], [written])
        case("pairwiseDistance", lambda a, b: F.pairwise_distance(a, b, p), [x, x], [written])
for correction in [0, 1]:
    written = {"correction": correction}
    case("variance", lambda t: torch.var(t, 1, correction=correction), [x], [1, written])
    case("variance", lambda t: torch.var(t, (0, 1), correction=correction), [x + 1000], [[0, 1], written])
    case("standardDeviation", lambda t: torch.std(t, 1, correction=correction), [zeros], [1, written])
    case("standardDeviation", lambda t: torch.std(t, (0, 1), correction=correction), [x], [[0, 1], written])
spread = torch.linspace(-6, 6, 13, **double)
for approximate in ["none", "tanh"]:
    case("gelu", lambda t: F.gelu(t, approximate=approximate), [spread], [{"approximate": approximate}])
for equation, *shapes in [
    ("bij,bjk->bik", (2, 3, 2), (2, 2, 3)),
    ("ij,jk,kl", (2, 3), (3, 2), (2, 2)),
    ("iij->ij", (3, 3, 2)),
    ("ii", (3, 3)),
    ("...ij,...kj->...ik", (2, 2, 3), (2, 3)),
    ("ba", (2, 3)),
    ("i,ij,j->", (2,), (2, 3), (3,)),
]:
    case("einsum", lambda *t: torch.einsum(equation, *t), [drawn(*s) for s in shapes], [equation])
for name, f in [("cumsum", torch.cumsum), ("cumprod", torch.cumprod), ("logCumSumExp", torch.logcumsumexp)]:
    case(name, lambda t: f(t, 1), [zeros], [1])
    case(name, lambda t: f(t, 0), [zeros], [0])
    case(name, lambda t: f(t, 0), [drawn(40) / 3], [0])
for stride, padding, dilation, groups in [(1, 0, 1, 1), (2, 1, 1, 1), ([1, 2], [0, 1], [2, 1], 2)]:
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    images, filters = drawn(2, 4, 5, 6), drawn(2, 4 // groups, 2, 3)
    case("conv2d", lambda t, w: F.conv2d(t, w, **options), [images, filters], [options])
for size, options in [(2, {}), (3, {"stride": 1, "padding": 1}), ([3, 2], {"stride": 2, "padding": 1})]:
    for counted in [True, False]:
        written = {**options, "countIncludePad": counted}
        f = lambda t: F.avg_pool2d(t, size, count_include_pad=counted, **options)
        case("avgPool2d", f, [drawn(2, 5, 4)], [size, written])
gamma = torch.tensor([1e-5, 0.25, 0.5, 0.75, 1.25, 1.5, 1.75, 2.5, 3.25, 7.6, 8.5, 30.0, 1e4], **double)
below = torch.tensor([-0.3, -0.7, -1.5, -2.4, -9.6], **double)
case("lgamma", torch.lgamma, [gamma], [])
case("lgamma", torch.lgamma, [below], [])
# PyTorch's trigamma has nine digits.
case("digamma", torch.digamma, [gamma[1:]], [], 1e-9)
case("digamma", torch.digamma, [below], [], 1e-9)
for size, options in [(2, {}), (3, {"stride": 1, "padding": 1}), ([3, 2], {"stride": 2, "padding": 1})]:
    case("maxPool2d", lambda t: F.max_pool2d(t, size, **options), [drawn(2, 5, 4)], [size, options])
for offset in [0, 2, -1]:
    for shape in [(3,), (3, 4), (4, 2)]:
        case("diag", lambda t: torch.diag(t, offset), [drawn(*shape)], [offset])
case("trace", torch.trace, [drawn(3, 4)], [])

print(json.dumps({"torch": torch.__version__, "cases": cases}))
