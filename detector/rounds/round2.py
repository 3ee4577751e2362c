"""TrojAI Round 2 (image-classification-aug2020): 256 x 256 PNG, cropped, RGB.

Its documentation says min-max; its networks were trained with /255.
"""

from __future__ import annotations

from detector.rounds.example_names import CLASS_IN_NAME
from detector.rounds.layout import RoundLayout
from detector.rounds.profile import INPUT_SIZE, ChannelOrder, Preprocessing, Scaling

LAYOUT = RoundLayout(
    name="round2",
    example_folders=("example_data",),
    examples=CLASS_IN_NAME,
    profile=Preprocessing("round2", INPUT_SIZE, ChannelOrder.RGB, Scaling.DIV255),
    num_classes=(5, 24),
    data_set="image-classification-aug2020",
)
