"""Train the line recogniser: a small convolutional network that reads a line of writing with CTC.

    DIGITS_DATA=... python benchmarks/line_recogniser.py --out FOLDER [--lines 1300000] [--fonts FOLDER]

It learns from lines that `line_pictures.py` composes from MNIST's training images, pen strokes and fonts.
10,000 of MNIST's training images make the lines for validation; MNIST's test images are not used. The folder
gets line.pt, the state of the training, and line.npz, the network for `digits.networks.line_network`. The
same command goes on from line.pt.

CTC: Graves et al. 2006, "Connectionist temporal classification".
"""

import argparse
import itertools
import multiprocessing.pool
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from line_pictures import Composer
from torch import Tensor, nn
from torch.nn import functional

from digits.data import loading
from digits.data.splits import split
from digits.files import atomic_write
from digits.networks.file_format import pack_arrays
from digits.networks.line_network import ALPHABET, CTC_BLANK, ROWS

Line: TypeAlias = tuple[npt.NDArray[np.uint8], str]  # picture (32, W) and label
Batch: TypeAlias = tuple[
    Tensor, Tensor, Tensor, Tensor
]  # pictures, labels in one row, lengths of answers and labels

BATCH, CHUNK = 64, 1024  # lines of a step; lines that are sorted by width together
TASK = CHUNK // 4  # lines that the other process composes at a time
AHEAD = 16  # tasks that are begun before their lines are needed
VALIDATION = 1024  # lines
RATE, WARM_UP, DECAY = 0.002, 200, 0.35  # learning rate; its first steps; its last part falls to zero
AVERAGE = 0.998  # of the weights (EMA)
REPORT, SAVE = 100, 400  # steps between reports, between checkpoints
ANSWERS = 2  # for each four columns of the picture
TEMPERATURES = np.linspace(0.7, 2.0, 27)  # that are tried on the validation lines


class LineTrainingNetwork(nn.Module):
    """Convolutions over the height, then along the line; the shapes are those of `line_network.LAYERS`."""

    def __init__(self) -> None:
        """Build the network with random weights."""
        super().__init__()
        self.features = nn.Sequential(
            _block(1, 20, (5, 5), (2, 2)),
            nn.MaxPool2d(2),
            _block(20, 40, (3, 3), (1, 1)),
            _block(40, 40, (3, 3), (1, 1)),
            nn.MaxPool2d(2),
            _block(40, 80, (3, 3), (1, 1)),
            _block(80, 80, (3, 3), (1, 1)),
            nn.MaxPool2d((2, 1)),
            _block(80, 160, (4, 3), (0, 1)),
            nn.Dropout(0.1),
            _block(160, 160, (1, 5), (0, 4), dilation=2),
            nn.Dropout(0.1),
        )
        self.output = nn.Conv2d(160, ANSWERS * (CTC_BLANK + 1), (1, 3), padding=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, W // 4 * 2, 17) for pictures (N, 1, 32, W) in [0, 1]."""
        found: Tensor = self.output(self.features(x))[:, :, 0]  # (N, 34, W // 4)
        n, _, columns = found.shape
        found = found.view(n, ANSWERS, CTC_BLANK + 1, columns).permute(0, 3, 1, 2)
        return found.reshape(n, columns * ANSWERS, CTC_BLANK + 1)


def _block(
    inputs: int, outputs: int, kernel: tuple[int, int], padding: tuple[int, int], dilation: int = 1
) -> nn.Sequential:
    """Return a convolution, dilated along the line, with batch normalisation and ReLU."""
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=(1, dilation), bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def main() -> None:
    """Train, with a checkpoint every few minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=1_300_000)
    parser.add_argument("--fonts", type=Path, help="folder of fonts of handwriting (ttf, otf, woff2)")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    splits = split(loading.load_data("mnist"), seed=0)
    composer = Composer.of(splits.train.images.numpy(), splits.train.labels.numpy(), asked.fonts)
    unseen = Composer.of(splits.val.images.numpy(), splits.val.labels.numpy(), asked.fonts)
    validation = _lines(unseen, 1, VALIDATION)
    train(composer, validation, asked.lines // BATCH, asked.out)


def train(composer: Composer, validation: list[Line], steps: int, folder: Path) -> None:
    """Train for `steps` steps in all, beginning where the folder's checkpoint ends.

    Args:
        composer: Makes the lines.
        validation: Lines that are only measured.
        steps: Number of steps, those before the checkpoint counted.
        folder: Folder of line.pt and line.npz; it must exist.
    """
    torch.manual_seed(0)
    network = LineTrainingNetwork().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = LineTrainingNetwork()
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    saved, step = folder / "line.pt", 0
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    begun, losses = time.monotonic(), list[float]()
    with multiprocessing.get_context("fork").Pool(
        1, initializer=_begin_composing, initargs=(composer,)
    ) as pool:
        for batch in itertools.islice(batches(pool, step * BATCH // TASK), steps - step):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, steps)
            loss = loss_of(network, batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5)
            optimizer.step()
            step += 1
            _add_to_average(average, network, min(AVERAGE, step / (step + 10)))
            losses.append(loss.item())
            if step % REPORT == 0:
                speed = len(losses) * BATCH / (time.monotonic() - begun)
                print(f"{step * BATCH:8d} lines  loss {np.mean(losses):.3f}  {speed:.0f} lines/s", flush=True)
                begun, losses = time.monotonic(), []
            if step % SAVE == 0 or step == steps:
                print(f"{step * BATCH:8d} lines  validation {validate(average, validation):.2%}", flush=True)
                _save_state(saved, network, average, optimizer, step)
                begun = time.monotonic()
    save(average, folder / "line.npz", fit_temperature(average, validation))


def rate_at(step: int, steps: int) -> float:
    """Return the learning rate of a step: warm-up, then constant, then falling to zero."""
    return RATE * min(1, (step + 1) / WARM_UP, max(0.0, (steps - step) / steps / DECAY))


def _add_to_average(average: nn.Module, network: nn.Module, kept: float) -> None:
    """Move the averaged weights towards the network's by the share `1 - kept`."""
    with torch.no_grad():
        for a, b in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if a.is_floating_point():
                a.lerp_(b, 1 - kept)
            else:
                a.copy_(b)


def _save_state(
    path: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, step: int
) -> None:
    """Write a checkpoint, whole or not at all."""
    state = {"network": network.state_dict(), "average": average.state_dict(),
             "optimizer": optimizer.state_dict(), "step": step}  # fmt: skip
    torch.save(state, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


# ------------------------------------------------------------------------------------------------- batches


def _lines(composer: Composer, seed: int, count: int) -> list[Line]:
    rng = np.random.default_rng([seed, 3])
    return [composer.compose(rng) for _ in range(count)]


_COMPOSERS: list[Composer] = []  # the composer of a process that composes


def _begin_composing(composer: Composer) -> None:
    _COMPOSERS[:] = [composer]


def _task(seed: int) -> list[Line]:
    return _lines(_COMPOSERS[0], seed, TASK)


def batches(pool: multiprocessing.pool.Pool, first: int) -> Iterator[Batch]:
    """Yield batches without end, composed by another process.

    Args:
        pool: Processes that called `_begin_composing`.
        first: Seed of the first task; the following tasks count on from it.
    """
    seeds = itertools.count(first + 10)  # seeds below 10 are for validation
    ahead = deque(pool.apply_async(_task, (next(seeds),)) for _ in range(AHEAD))
    waiting: list[Line] = []
    order = np.random.default_rng(first)
    while True:
        waiting += ahead.popleft().get()
        ahead.append(pool.apply_async(_task, (next(seeds),)))
        if len(waiting) >= CHUNK:
            waiting.sort(key=lambda line: line[0].shape[1])
            for group in order.permutation(CHUNK // BATCH):
                yield collate(waiting[group * BATCH : (group + 1) * BATCH])
            waiting = waiting[CHUNK:]


def collate(lines: Sequence[Line]) -> Batch:
    """Join lines to a batch; pictures are padded on the right."""
    widest = -(-max(line.shape[1] for line, _ in lines) // 8) * 8
    pictures = np.zeros((len(lines), 1, ROWS, widest), np.float32)
    for i, (line, _) in enumerate(lines):
        pictures[i, 0, :, : line.shape[1]] = line / np.float32(255)
    labels = torch.tensor([ALPHABET.index(c) for _, label in lines for c in label], dtype=torch.long)
    answers = torch.tensor([line.shape[1] // 4 * ANSWERS for line, _ in lines])
    return torch.from_numpy(pictures), labels, answers, torch.tensor([len(label) for _, label in lines])


# --------------------------------------------------------------------------------------- loss and measuring


def loss_of(network: nn.Module, batch: Batch) -> Tensor:
    """Return CTC's loss, the mean over the lines of the batch."""
    pictures, labels, answers, lengths = batch
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(pictures.to(memory_format=torch.channels_last))
    return ctc_losses(logits.float(), labels, answers, lengths).mean()


def ctc_losses(logits: Tensor, labels: Tensor, answers: Tensor, lengths: Tensor) -> Tensor:
    """Return CTC's loss of each line (N,) for logits (N, T, 17); 0 if a line is too short for its label."""
    scores = functional.log_softmax(logits, -1).transpose(0, 1)
    return functional.ctc_loss(
        scores, labels, answers, lengths, CTC_BLANK, reduction="none", zero_infinity=True
    )


def texts_of(logits: Tensor) -> list[str]:
    """Return the likeliest answers of lines (N, T, 17), repeats and blanks removed."""
    return [
        "".join(ALPHABET[k] for k, _ in itertools.groupby(row.tolist()) if k != CTC_BLANK)
        for row in logits.argmax(-1)
    ]


def _answers_to(network: nn.Module, lines: Sequence[Line]) -> Iterator[tuple[Tensor, Batch, Sequence[Line]]]:
    """Yield logits, batch and lines, 32 lines of like width at a time."""
    ordered = sorted(lines, key=lambda line: line[0].shape[1])
    network.eval()
    with torch.no_grad():
        for i in range(0, len(ordered), 32):
            batch = collate(ordered[i : i + 32])
            yield network(batch[0]), batch, ordered[i : i + 32]
    network.train()


def validate(network: nn.Module, lines: Sequence[Line]) -> float:
    """Return the share of lines that are read without a mistake."""
    right = 0
    for logits, (_, _, answers, _), group in _answers_to(network, lines):
        for row, count, (_, label) in zip(logits, answers, group, strict=True):
            right += texts_of(row[None, :count])[0] == label
    return right / len(lines)


def fit_temperature(network: nn.Module, lines: Sequence[Line]) -> float:
    """Return the divisor of the logits for which CTC's loss on lines is smallest."""
    losses = np.zeros(len(TEMPERATURES))
    for logits, (_, *batch), _ in _answers_to(network, lines):
        losses += [float(ctc_losses(logits / t, *batch).sum()) for t in TEMPERATURES]
    return float(TEMPERATURES[losses.argmin()])


def _folded(network: LineTrainingNetwork) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the weights (outputs, inputs, height, width) and biases (outputs,) of convolutions alone."""
    modules = list(network.features.modules())
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    for convolution, norm in zip(convolutions, norms, strict=True):
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None
        assert variance is not None
        factor = norm.weight.detach() / torch.sqrt(variance + norm.eps)
        bias = norm.bias.detach() - mean * factor
        yield convolution.weight.detach() * factor[:, None, None, None], bias
    assert network.output.bias is not None
    yield network.output.weight.detach(), network.output.bias.detach()


def save(network: LineTrainingNetwork, path: Path, temperature: float) -> None:
    """Write a network for `digits.networks.line_network`; batch normalisation is folded into the weights."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for i, (weight, bias) in enumerate(_folded(network)):
        arrays[f"kernels{i}"] = weight.permute(2, 3, 1, 0).contiguous().numpy().astype(np.float16)
        arrays[f"biases{i}"] = bias.numpy().astype(np.float32)
    meta = {"architecture": {"name": "line", "alphabet": ALPHABET}, "temperature": temperature}
    atomic_write(path, pack_arrays("model", meta, arrays))


if __name__ == "__main__":
    main()
