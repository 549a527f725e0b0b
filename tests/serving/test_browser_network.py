"""Networks as bytes for the browser."""

import io
import json

import numpy as np

from digits.networks.numpy_layers import Convolution, Dense
from digits.reading.reader import Reader
from digits.serving.browser_network import network_bytes


def test_a_network_for_the_page_holds_all_its_numbers(reader: Reader) -> None:
    """The bytes hold the same weights and biases as the classifier in Python."""
    content = network_bytes(reader.classifier)
    length = int.from_bytes(content[:4], "little")
    about = json.loads(content[4 : 4 + length])
    numbers = np.frombuffer(content, "<f4", offset=4 + length)
    for layer, said in zip(reader.classifier.members[0], about["members"][0], strict=True):
        assert said["kind"] == type(layer).__name__.lower()
        if isinstance(layer, Dense | Convolution):
            weights = layer.weights if isinstance(layer, Dense) else layer.kernels
            start = said["weights"]
            assert np.array_equal(numbers[start : start + weights.size].reshape(said["shape"]), weights)
            assert np.array_equal(numbers[said["bias"] : said["bias"] + layer.bias.size], layer.bias)
    assert io.BytesIO(content).getbuffer().nbytes % 4 == 0
