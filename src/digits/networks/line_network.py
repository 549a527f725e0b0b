"""Compute the line recogniser's network with NumPy: a convolutional network over a line of writing.

The network was trained with CTC (connectionist temporal classification, Graves et al. 2006). For every two
columns of a line's picture it answers which character stands there, or that none begins there: CTC's blank.
benchmarks/line_recogniser.py trains it.
"""

import functools
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.errors import CheckpointError
from digits.networks.file_format import read_arrays
from digits.networks.numpy_layers import Array, Convolution, Pool

LINE = Path(__file__).parents[1] / "weights" / "line.npz"
ALPHABET = "0123456789.,-/:x"  # the characters of the network's answers; x is a letter or any other sign
OTHER = "x"
CTC_BLANK = len(ALPHABET)  # the class of CTC's blank
ROWS, INK_ROWS = 32, 28  # px; height of a line's picture, and of the ink in its middle
COLUMNS_PER_ANSWER = 2
LEAST_LIKELY = -7.0  # log probability; the search for texts ignores less likely characters (generous)
# Kernel height and width, padding of rows and columns, dilation along the line, and the pooling that follows.
LAYERS = (
    ((5, 5), (2, 2), 1, (2, 2)),
    ((3, 3), (1, 1), 1, None),
    ((3, 3), (1, 1), 1, (2, 2)),
    ((3, 3), (1, 1), 1, None),
    ((3, 3), (1, 1), 1, (2, 1)),
    ((4, 3), (0, 1), 1, None),
    ((1, 5), (0, 4), 2, None),
    ((1, 3), (0, 1), 1, None),
)


class LineNetwork:
    """A trained line recogniser."""

    def __init__(self, kernels: list[Array], biases: list[Array], temperature: float) -> None:
        """Store the weights of the layers.

        Args:
            kernels: For each layer (height, width, inputs, outputs).
            biases: For each layer (outputs,).
            temperature: Divisor of the logits that makes the probabilities honest; above 0.
        """
        self._convolutions = [Convolution(k, b, 1, 0) for k, b in zip(kernels, biases, strict=True)]
        self._temperature = temperature

    @staticmethod
    @functools.cache
    def load(path: Path = LINE) -> "LineNetwork":
        """Load a network from a file that benchmarks/line_recogniser.py has written.

        Raises:
            CheckpointError: if the file is missing, damaged or of another kind.
        """
        meta, arrays = read_arrays(path, "model")
        names = [f"{part}{i}" for part in ("kernels", "biases") for i in range(len(LAYERS))]
        if meta.get("architecture") != {"name": "line", "alphabet": ALPHABET} or set(arrays) != set(names):
            raise CheckpointError(f"{path} holds no line recogniser")
        found = [np.asarray(arrays[name], np.float32) for name in names]
        kernels, biases = found[: len(LAYERS)], found[len(LAYERS) :]
        for kernel, (size, *_), bias in zip(kernels, LAYERS, biases, strict=True):
            if kernel.ndim != 4 or kernel.shape[:2] != size or bias.shape != kernel.shape[3:]:
                raise CheckpointError(f"{path} holds no line recogniser: its layers have wrong shapes")
        return LineNetwork(kernels, biases, float(meta["temperature"]))

    def log_probabilities(self, line: Array) -> npt.NDArray[np.float64]:
        """Compute what stands in each part of a line.

        Args:
            line: Picture of the line, float32 (32, W) in [0, 1], white ink on black, W >= 8.

        Returns:
            Logarithms of probabilities (W // 4 * 2, 17): for every two columns, the characters of ALPHABET,
            then the blank.
        """
        x = line[None, :, :, None]
        for i, (convolution, (_, padding, dilation, pool)) in enumerate(
            zip(self._convolutions, LAYERS, strict=True)
        ):
            rows, columns = padding
            x = np.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
            x = _dilated(convolution, x, dilation) if dilation > 1 or i == len(LAYERS) - 1 else convolution(x)
            if i == len(LAYERS) - 2:
                x = np.maximum(x, 0)
            if pool == (2, 2):
                x = Pool()(x)
            elif pool == (2, 1):
                x = np.maximum(x[:, 0::2], x[:, 1::2])
        logits = x[0, 0].reshape(-1, CTC_BLANK + 1).astype(np.float64) / self._temperature
        logits -= logits.max(1, keepdims=True)
        return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)))


def read_line(line: Array) -> npt.NDArray[np.float64]:
    """Read a line with the bundled network, which is loaded at the first call.

    Args:
        line: As in `LineNetwork.log_probabilities`.

    Returns:
        As `LineNetwork.log_probabilities`.
    """
    return LineNetwork.load().log_probabilities(line)


def _dilated(convolution: Convolution, x: Array, dilation: int) -> Array:
    """Apply a convolution of one row whose columns are `dilation` apart, without ReLU."""
    kernels = convolution.kernels[0]  # (columns, inputs, outputs)
    columns = x.shape[2] - dilation * (len(kernels) - 1)
    total = sum(x[0, 0, k * dilation : k * dilation + columns] @ kernel for k, kernel in enumerate(kernels))
    return np.asarray(total + convolution.bias, np.float32)[None, None]


def text_log_probability(log_probabilities: npt.NDArray[np.float64], text: str) -> float:
    """Compute the probability that the network gives to a whole text: CTC's forward sum.

    Args:
        log_probabilities: (T, 17), from `LineNetwork.log_probabilities`.
        text: Characters of ALPHABET.

    Returns:
        Logarithm of the probability; minus infinity if the line is too short for the text.
    """
    emitted, may_skip = _states(log_probabilities, text)
    count = emitted.shape[1]
    state = np.full(count, -math.inf)
    state[:2] = emitted[0, :2]
    for row in emitted[1:]:
        one = np.concatenate([[-math.inf], state[:-1]])
        two = np.where(may_skip, np.concatenate([[-math.inf] * 2, state[:-2]])[:count], -math.inf)
        state = np.logaddexp(np.logaddexp(state, one), two) + row
    return float(np.logaddexp(state[-1], state[-2])) if count > 1 else float(state[-1])


def _states(
    log_probabilities: npt.NDArray[np.float64], text: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the states of CTC for a text: a blank, each character, and a blank after each.

    Args:
        log_probabilities: (T, 17), from `LineNetwork.log_probabilities`.
        text: Characters of ALPHABET.

    Returns:
        Log probabilities (T, states), and whether a state may follow the last but one, (states,).
    """
    path = [CTC_BLANK]
    for character in text:
        path += [ALPHABET.index(character), CTC_BLANK]
    may_skip = [i >= 2 and path[i] != CTC_BLANK and path[i] != path[i - 2] for i in range(len(path))]
    return log_probabilities[:, path], np.array(may_skip)


def with_silent_signs(log_probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return log probabilities in which a sign counts as CTC's blank, for texts without signs.

    Args:
        log_probabilities: (T, 17), from `LineNetwork.log_probabilities`.

    Returns:
        (T, 17); the signs have probability 0.
    """
    found = log_probabilities.copy()
    found[:, CTC_BLANK] = np.logaddexp.reduce(log_probabilities[:, 10:], axis=1)
    found[:, 10:CTC_BLANK] = -math.inf
    return found


def best_texts(log_probabilities: npt.NDArray[np.float64], width: int = 8) -> list[tuple[str, float]]:
    """Find the likeliest texts of a line by prefix beam search.

    Args:
        log_probabilities: (T, 17), from `LineNetwork.log_probabilities`.
        width: Number of texts that are kept at each step.

    Returns:
        Texts over ALPHABET with the logarithms of their probabilities, likeliest first; at most `width`.

    Source: Hannun et al. 2014, "First-pass large vocabulary continuous speech recognition".
    """
    # Each text has two probabilities: that it ends with the blank, and that it ends with its last character.
    beams: dict[str, tuple[float, float]] = {"": (0.0, -math.inf)}
    for answer in log_probabilities:
        likely = np.flatnonzero(answer[:CTC_BLANK] > LEAST_LIKELY).tolist()
        following: dict[str, tuple[float, float]] = {}
        for text, (blank, character) in beams.items():
            both = _add(blank, character)
            repeated = character + answer[ALPHABET.index(text[-1])] if text else -math.inf
            _add_to(following, text, both + answer[CTC_BLANK], repeated)
            for k in likely:
                new = ALPHABET[k]
                before = blank if text.endswith(new) else both
                _add_to(following, text + new, -math.inf, before + answer[k])
        ordered = sorted(following.items(), key=lambda item: -_add(*item[1]))
        beams = dict(ordered[:width])
    return [(text, _add(*both)) for text, both in beams.items()]


def _add_to(beams: dict[str, tuple[float, float]], text: str, blank: float, character: float) -> None:
    """Add log probabilities to those of a text."""
    b, c = beams.get(text, (-math.inf, -math.inf))
    beams[text] = (_add(b, blank), _add(c, character))


def _add(a: float, b: float) -> float:
    """Return log(exp(a) + exp(b))."""
    low, high = (a, b) if a < b else (b, a)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def places_of(log_probabilities: npt.NDArray[np.float64], text: str) -> list[tuple[int, int]]:
    """Find where the characters of a text stand in a line: CTC's likeliest alignment.

    Args:
        log_probabilities: (T, 17), from `LineNetwork.log_probabilities`.
        text: Characters of ALPHABET; its probability is above 0.

    Returns:
        First and last answer of each character, 0 to T - 1.
    """
    emitted, may_skip = _states(log_probabilities, text)
    count = emitted.shape[1]
    score = np.full(count, -math.inf)
    score[:2] = emitted[0, :2]
    steps = np.zeros(emitted.shape, np.int8)
    for t, row in enumerate(emitted[1:], start=1):
        choices = np.stack(
            [
                score,
                np.concatenate([[-math.inf], score[:-1]]),
                np.where(may_skip, np.concatenate([[-math.inf] * 2, score[:-2]])[:count], -math.inf),
            ]
        )
        steps[t] = choices.argmax(0)
        score = choices.max(0) + row
    at = count - 1 if count == 1 or score[-1] >= score[-2] else count - 2
    spans: dict[int, tuple[int, int]] = {}
    for t in range(len(emitted) - 1, -1, -1):
        if at % 2:
            spans[at // 2] = (t, spans.get(at // 2, (t, t))[1])
        at -= int(steps[t, at])
    return [spans[i] for i in range(len(text))]
