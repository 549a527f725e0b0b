"""The peer: the same training, written as tutorials write it.

    python benchmarks/peers/tutorial.py FOLDER [EPOCHS]

FOLDER holds MNIST/raw. Only the clock, the JSON line after each epoch and the repair of torchvision's
import are not a beginner's.
"""

import json
import sys
import time


def declare_missing_operators() -> None:
    """Let torchvision be imported without its compiled part, which `pip install --no-deps` may leave unfit.

    Its Python part then looks for two operators that the compiled part would have brought; nothing here
    calls them.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        import torch

        for name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )


declare_missing_operators()

from torch import nn, optim
from torch.utils.data import DataLoader, random_split
from torchvision import datasets, transforms

transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
dataset = datasets.MNIST(sys.argv[1], train=True, download=False, transform=transform)
train_set, val_set = random_split(dataset, [50_000, 10_000])
train_loader = DataLoader(train_set, batch_size=64, shuffle=True, num_workers=0)

model = nn.Sequential(
    nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
)
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(model.parameters(), lr=0.01)

for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
    began, start = time.time(), time.perf_counter()
    model.train()
    running_loss = 0.0
    for images, labels in train_loader:
        optimizer.zero_grad()
        outputs = model(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    seconds = time.perf_counter() - start
    print(
        json.dumps({"began": began, "seconds": seconds, "loss": running_loss / len(train_loader)}), flush=True
    )
