"""The SSD loss in PyTorch, written as its definition: the reference of the benchmarks."""
import torch
import torch.nn.functional as F


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


def match(rows, default):
    iou = iou_matrix(rows[:, 2:], default)
    best, target = iou.max(dim=0)
    forced = iou.max(dim=1)[1]
    best.index_fill_(0, forced, 2.0)
    for g in range(len(rows)):
        target[forced[g]] = g
    label = torch.where(best > 0.5, rows[target, 1].long() + 1, torch.zeros_like(target))
    return label, rows[target, 2:]


def ssd_loss(loc, logits, default, targets):
    """loc [batch, 4, boxes], logits [batch, classes + 1, boxes], default [boxes, 4], targets rows of image, label, box."""
    batch, _, boxes = loc.shape
    labels = torch.zeros(batch, boxes, dtype=torch.long, device=loc.device)
    truth = torch.ones(batch, boxes, 4, dtype=loc.dtype, device=loc.device)
    for i in range(batch):
        rows = targets[targets[:, 0] == i]
        if len(rows) > 0:
            labels[i], truth[i] = match(rows, default)
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
    closs = (entropy * (positive.to(loc.dtype) + hard.to(loc.dtype))).sum(dim=1)
    return ((smooth + closs) * (count > 0).to(loc.dtype) / count.to(loc.dtype).clamp(min=1e-6)).mean()
