"""The peer: a plain loop over tensors that lie in memory, already normalised.

    python benchmarks/peers/resident.py FOLDER [EPOCHS]

FOLDER holds MNIST/raw. A JSON line after each epoch.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

raw = Path(sys.argv[1]) / "MNIST" / "raw"
pixels = np.fromfile(raw / "train-images-idx3-ubyte", dtype=np.uint8)[16:].reshape(-1, 784)[:50_000]
images = (torch.from_numpy(pixels).float() / 255 - 0.1307) / 0.3081  # (50000, 784)
labels = torch.from_numpy(np.fromfile(raw / "train-labels-idx1-ubyte", dtype=np.uint8)[8:50_008]).long()

model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
    start = time.perf_counter()
    losses = torch.zeros(())
    for batch in torch.randperm(len(labels)).split(64):
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += loss.detach()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "loss": losses.item() / 782}), flush=True)
