"""Writes pycocotools.json: what COCO's own implementation says of generated detections.

    python3 tests/loss/golden/from_pycocotools.py > tests/loss/golden/pycocotools.json

Made with pycocotools 2.0.11 and NumPy 1.24.2.
"""

import contextlib
import importlib.metadata
import io
import json
import random

import numpy
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

random.seed(5)


def box(size):
    # Whole numbers, so that overlaps tie and lie on thresholds.
    return [random.randint(0, 60), random.randint(0, 60), random.randint(1, size), random.randint(1, size)]


def moved(b, by):
    x, y, w, h = (v + random.randint(-by, by) for v in b)
    return [x, y, max(1, w), max(1, h)]


def image(classes, objects, extra, size):
    truths = [{"bbox": box(size), "category_id": random.randrange(classes)} for _ in range(objects)]
    for t in truths:
        t["iscrowd"] = int(random.random() < 0.15)
        # Segments are smaller than their boxes.
        t["area"] = round(t["bbox"][2] * t["bbox"][3] * random.choice([1, 0.75, 0.5]), 2)
    found = [
        {"bbox": moved(t["bbox"], random.choice([0, 2, 6])), "category_id": t["category_id"]}
        for t in truths
        for _ in range(random.choice([0, 1, 1, 2, 3]))
    ]
    found += [{"bbox": box(size), "category_id": random.randrange(classes + 1)} for _ in range(extra)]
    random.shuffle(found)
    for d in found:
        d["score"] = random.randint(0, 20) / 20
    return {"truths": truths, "found": found}


def evaluated(images, classes):
    annotations = [
        {**t, "id": 0, "image_id": i, "ignore": 0} for i, im in enumerate(images) for t in im["truths"]
    ]
    for i, a in enumerate(annotations):
        a["id"] = i + 1
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": i} for i in range(len(images))],
            "categories": [{"id": c} for c in range(classes + 1)],
            "annotations": annotations,
        }
        truth.createIndex()
        found = truth.loadRes([{**d, "image_id": i} for i, im in enumerate(images) for d in im["found"]])
        e = COCOeval(truth, found, "bbox")
        e.evaluate()
        e.accumulate()
        e.summarize()
    # [thresholds, recalls, classes, areas, limits]
    precision = e.eval["precision"][:, :, :, 0, 2].mean(axis=1)
    return {
        "stats": e.stats.tolist(),
        "byClass": [precision[:, c].tolist() for c in range(classes + 1)],
    }


def scene(name, classes, sizes):
    images = [image(classes, *s) for s in sizes]
    detections = [
        {
            "boxes": [d["bbox"] for d in im["found"]],
            "scores": [d["score"] for d in im["found"]],
            "labels": [d["category_id"] for d in im["found"]],
        }
        for im in images
    ]
    truths = [
        {
            "boxes": [t["bbox"] for t in im["truths"]],
            "labels": [t["category_id"] for t in im["truths"]],
            "crowd": [t["iscrowd"] for t in im["truths"]],
            "areas": [t["area"] for t in im["truths"]],
        }
        for im in images
    ]
    return {"name": name, "detections": detections, "truths": truths, **evaluated(images, classes)}


scenes = [
    scene("small and medium objects", 3, [(6, 4, 50), (4, 3, 60), (0, 3, 40), (5, 0, 30), (7, 5, 60)]),
    scene("objects of all sizes", 2, [(4, 3, 200), (5, 2, 150), (3, 4, 120), (0, 0, 10)]),
    scene("more than 100 detections of a class", 1, [(30, 90, 100), (4, 2, 100)]),
]
versions = f"pycocotools {importlib.metadata.version('pycocotools')} and NumPy {numpy.__version__}"
about = (
    f"Written by from_pycocotools.py with {versions}. Boxes are x, y, w, h. stats: the twelve numbers of COCO's summary, "
    "-1 for none. byClass: average precision of each class at each threshold, -1 for a class without objects."
)
parts = ",\n".join("    " + json.dumps(s) for s in scenes)
print("{\n" + f'  "about": {json.dumps(about)},\n  "scenes": [\n{parts}\n  ]\n' + "}")
