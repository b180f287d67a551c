"""Writes torchvision.json: values and gradients of torchvision's losses of boxes, and what its NMS keeps.

    python3 tests/loss/golden/from_torchvision.py > tests/loss/golden/torchvision.json

Made with torchvision 0.14.1 and PyTorch 1.13.0 (Debian: python3-torchvision).
"""

import json
import random

import torch
import torchvision
from torchvision import ops
from torchvision.ops.diou_loss import _diou_iou_loss

random.seed(11)
torch.manual_seed(11)


def number(low, high):
    # Short numbers, which JSON keeps exactly and a reader can follow.
    return round(random.uniform(low, high), 3)


def box():
    x, y = number(0, 10), number(0, 10)
    return [x, y, round(x + number(0.1, 6), 3), round(y + number(0.1, 6), 3)]


# Pairs of boxes by how they lie.
PAIRS = {
    "disjoint": [([0, 0, 2, 3], [5, 1, 7, 2]), ([0, 0, 1, 1], [0.25, 4, 0.5, 9])],
    "touching": [([0, 0, 2, 3], [2, 1, 4, 2]), ([0, 0, 2, 2], [2, 2, 3, 5])],
    "nested": [([0, 0, 8, 6], [2, 1, 4, 5]), ([3, 3, 4, 4.5], [0, 0, 9, 9])],
    "identical": [([1, 2, 4, 8], [1, 2, 4, 8]), ([0, 0, 0.5, 0.25], [0, 0, 0.5, 0.25])],
    "one edge in common": [([0, 0, 4, 4], [0, 1, 3, 5]), ([0, 0, 4, 4], [1, 0, 6, 4])],
    "inverted": [([4, 0, 0, 2], [1, 0, 3, 2]), ([4, 5, 0, 2], [1, 0, 3, 2]), ([2, 0, 0, 2], [0, 0, 2, 2])],
    "without area": [([1, 1, 1, 3], [0, 0, 2, 4]), ([1, 1, 4, 1], [0, 0, 2, 4]), ([1, 1, 4, 1], [0, 0, 9, 1])],
    "points": [([1, 1, 1, 1], [0, 0, 2, 4]), ([1, 1, 1, 1], [5, 2, 5, 2])],
    "any": [(box(), box()) for _ in range(24)],
}

LOSSES = {
    # torchvision has no loss of the plain IoU; this is the one inside its other losses.
    "iou": lambda a, b: 1 - _diou_iou_loss(a, b)[1],
    "giou": ops.generalized_box_iou_loss,
    "diou": ops.distance_box_iou_loss,
    "ciou": ops.complete_box_iou_loss,
}


def numbers(tensor):
    """Nested lists; null for what is not finite."""
    if isinstance(tensor, list):
        return [numbers(x) for x in tensor]
    if isinstance(tensor, torch.Tensor):
        return numbers(tensor.tolist())
    return tensor if tensor == tensor and abs(tensor) != float("inf") else None


def box_losses():
    cases = []
    for name, pairs in PAIRS.items():
        case = {"name": name, "a": [p[0] for p in pairs], "b": [p[1] for p in pairs], "kinds": {}}
        for kind, loss in LOSSES.items():
            a = torch.tensor(case["a"], dtype=torch.float64, requires_grad=True)
            b = torch.tensor(case["b"], dtype=torch.float64, requires_grad=True)
            values = loss(a, b)
            grad_a, grad_b = torch.autograd.grad(values.sum(), [a, b])
            case["kinds"][kind] = {"values": numbers(values), "gradA": numbers(grad_a), "gradB": numbers(grad_b)}
        cases.append(case)
    return cases


def focal_losses():
    logits = [-30, -6, -2.5, -1, -0.25, 0, 0.125, 1, 3, 7, 25]
    cases = []
    for alpha, gamma in [(0.25, 2), (-1, 2), (0.5, 0), (0.75, 1), (0.25, 1.5), (1, 5)]:
        for target in [0, 1, 0.3]:
            x = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
            t = torch.full_like(x, target, requires_grad=True)
            values = ops.sigmoid_focal_loss(x, t, alpha, gamma, "none")
            gradient, by_target = torch.autograd.grad(values.sum(), [x, t])
            cases.append({
                "alpha": alpha,
                "gamma": gamma,
                "target": target,
                "values": numbers(values),
                "gradient": numbers(gradient),
                "gradientByTarget": numbers(by_target),
            })
    return {"logits": logits, "cases": cases}


def suppressed():
    cases = []
    for count, size, threshold in [(0, 4, 0.5), (1, 4, 0.5), (40, 6, 0.5), (40, 6, 0.3), (60, 3, 0.7), (60, 4, 0), (30, 6, 1)]:
        # Whole numbers, so that overlaps and scores tie, and boxes without area.
        corner = torch.randint(0, 12, (count, 2))
        boxes = torch.cat([corner, corner + torch.randint(0, size + 1, (count, 2))], 1).double()
        scores = torch.randint(0, 16, (count,)).double() / 16
        classes = torch.randint(0, 4, (count,))
        by_class = ops.boxes._batched_nms_vanilla(boxes, scores, classes, threshold) if count else classes
        cases.append({
            "threshold": threshold,
            "boxes": boxes.tolist(),
            "scores": scores.tolist(),
            "classes": classes.tolist(),
            "kept": ops.nms(boxes, scores, threshold).tolist(),
            # Its order among equal scores is not specified.
            "keptByClass": sorted(by_class.tolist()),
        })
    return cases


def lines(value, depth=3, indent=""):
    """JSON with the outer levels on lines of their own."""
    if depth == 0 or not isinstance(value, (dict, list)) or not value:
        return json.dumps(value)
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{inner}{json.dumps(k)}: {lines(v, depth - 1, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{indent}" + "}"
    return "[\n" + ",\n".join(inner + lines(v, depth - 1, inner) for v in value) + f"\n{indent}]"


print(lines({
    "about": f"Written by from_torchvision.py with torchvision {torchvision.__version__} and PyTorch {torch.__version__}, in float64; "
    "gradients are of the sum, null stands for what is not finite.",
    "boxLosses": box_losses(),
    "focalLosses": focal_losses(),
    "nms": suppressed(),
}))
