"""TrojAI Round 3 (image-classification-dec2020): as Round 2, with poisoned examples in a folder of their own."""

from __future__ import annotations

from detector.rounds.example_names import CLASS_IN_NAME
from detector.rounds.layout import RoundLayout
from detector.rounds.profile import INPUT_SIZE, ChannelOrder, Preprocessing, Scaling

LAYOUT = RoundLayout(
    name="round3",
    example_folders=("clean_example_data", "example_data"),
    examples=CLASS_IN_NAME,
    profile=Preprocessing("round3", INPUT_SIZE, ChannelOrder.RGB, Scaling.DIV255),
    num_classes=(5, 24),
    data_set="image-classification-dec2020",
)
