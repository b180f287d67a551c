"""PyTorch as a peer of the bench: answers a line of JSON with a line of JSON, as bench/peers/program.ts does.

    pytorch_program.py FOLDER THREADS DEVICE
"""
import json
import math
import os
import sys
import time

import numpy
import torch
import torch.nn.functional as F

FOLDER, THREADS, DEVICE = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cases"))
torch.set_num_threads(THREADS)


def finish():
    """Waits for the device, which computes while Python goes on."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


class Prepared:
    """A case over arrays of its own."""

    def __init__(self, order):
        names = {"torch": torch, "F": F, "math": math}
        exec(order["source"], names)
        self.run = names["make"](order["sizes"])
        self.read = order["mode"] == "read"
        self.constants = order["constants"]
        self.gradients = order["gradients"]
        self.layout = order["layout"]
        self.host = [[self.load(stored) for stored in call] for call in order["calls"]]
        self.tensors = [[torch.from_numpy(x).to(DEVICE) for x in call] for call in self.host]
        self.next = 0
        self.sent = {}
        self.taken = {}

    def load(self, stored):
        data = numpy.fromfile(os.path.join(FOLDER, stored["file"]), dtype=stored["type"]).reshape(stored["shape"])
        return numpy.ascontiguousarray(data.transpose(self.layout)) if self.permutes(data) else data

    def permutes(self, x):
        return self.layout is not None and x.ndim == len(self.layout)

    def original(self, x):
        """A result in the layout of all peers."""
        return x.transpose(numpy.argsort(self.layout)) if self.permutes(x) else x

    def inputs(self, call):
        if not self.read:
            return list(self.tensors[call])
        return [
            self.tensors[call][i] if i in self.constants else self.send(i, x) for i, x in enumerate(self.host[call])
        ]

    def send(self, i, array):
        """A copy of an input, in memory that is the same in each call."""
        tensor = torch.from_numpy(array)
        if DEVICE != "cpu":
            return tensor.to(DEVICE)
        key = (i, tensor.shape)
        if key not in self.sent:
            self.sent[key] = torch.empty_like(tensor)
        return self.sent[key].copy_(tensor)

    def take(self, i, result):
        """A copy of a result, in an array that is the same in each call."""
        if DEVICE != "cpu":
            return result.cpu().numpy()
        array = result.numpy()
        if i not in self.taken or self.taken[i].shape != array.shape:
            self.taken[i] = numpy.empty_like(array)
        numpy.copyto(self.taken[i], array)
        return self.taken[i]

    def compute(self, call):
        inputs = self.inputs(call)
        if self.gradients is None:
            with torch.no_grad():
                result = self.run(inputs)
                return list(result) if isinstance(result, (tuple, list)) else [result]
        for i in self.gradients:
            inputs[i] = inputs[i].detach().requires_grad_()
        value = self.run(inputs)
        value.backward()
        return [value.detach()] + [inputs[i].grad for i in self.gradients]

    def step(self):
        results = self.compute(self.next)
        self.next = (self.next + 1) % len(self.host)
        if self.read:
            return [self.take(i, x) for i, x in enumerate(results)]
        finish()
        return results


prepared = None


def prepare(order):
    global prepared
    prepared = None
    prepared = Prepared(order)
    start = time.perf_counter()
    results = prepared.compute(0)
    finish()
    first = (time.perf_counter() - start) * 1000
    files = []
    for i, x in enumerate(results):
        files.append(order["prefix"] + str(i))
        prepared.original(x.cpu().numpy()).astype(numpy.float32).tofile(os.path.join(FOLDER, files[-1]))
    for _ in order["calls"][1:]:
        prepared.step()
    return {"results": files, "first": first}


def run(times):
    before = time.process_time()
    prepared.step()
    samples = []
    for _ in range(times):
        start = time.perf_counter()
        prepared.step()
        samples.append((time.perf_counter() - start) * 1000)
    return {"samples": samples, "cpu": (time.process_time() - before) * 1000 / (times + 1)}


def answer(request):
    global prepared
    try:
        if "prepare" in request:
            return prepare(request["prepare"])
        if "run" in request:
            return run(request["run"])
        prepared = None
        return {}
    except Exception as error:
        prepared = None
        return {"cannot": f"fails: {error!r}"}


def tell(message):
    print("@" + json.dumps(message), flush=True)


place = torch.cuda.get_device_name() if DEVICE == "cuda" else DEVICE
tell({"version": torch.__version__, "configuration": f"eager on {place}; float32, contiguous"})
for line in sys.stdin:
    tell(answer(json.loads(line)))
