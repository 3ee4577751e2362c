"""TrojAI Round 11 (image-classification-sep2022): 256 x 256 JPEG, not cropped, RGB, each with its class in a JSON file.

Folder by folder 20 clean examples `<n>.jpg`, and `<n>.json` with the class as one integer; not all classes have an
example.
"""

from __future__ import annotations

import re

from detector.rounds.example_names import ExampleRule
from detector.rounds.layout import RoundLayout
from detector.rounds.profile import UNCROPPED_SIZE, ChannelOrder, Preprocessing, Scaling

LAYOUT = RoundLayout(
    name="round11",
    example_folders=("clean-example-data",),
    examples=ExampleRule(
        "<number>.jpg with <number>.json beside it", re.compile(r"(?P<number>[0-9]{1,9})\.(?i:jpe?g)"), ".json"
    ),
    profile=Preprocessing("round11", UNCROPPED_SIZE, ChannelOrder.RGB, Scaling.DIV255),
    num_classes=(16, 138),
    data_set="image-classification-sep2022",
)
