"""TrojAI Round 4 (image-classification-feb2021): as Round 3, with 2 or 5 examples of each of more classes."""

from __future__ import annotations

from detector.rounds.example_names import CLASS_IN_NAME
from detector.rounds.layout import RoundLayout
from detector.rounds.profile import INPUT_SIZE, ChannelOrder, Preprocessing, Scaling

LAYOUT = RoundLayout(
    name="round4",
    example_folders=("clean_example_data", "example_data"),
    examples=CLASS_IN_NAME,
    profile=Preprocessing("round4", INPUT_SIZE, ChannelOrder.RGB, Scaling.DIV255),
    num_classes=(15, 44),
    data_set="image-classification-feb2021",
)
