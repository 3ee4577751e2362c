"""TrojAI Round 1 (image-classification-jun2020): 224 x 224 PNG, BGR, each image scaled to its own range."""

from __future__ import annotations

from detector.rounds.example_names import CLASS_IN_NAME
from detector.rounds.layout import Errata, RoundLayout
from detector.rounds.profile import INPUT_SIZE, ChannelOrder, Preprocessing, Scaling

LAYOUT = RoundLayout(
    name="round1",
    example_folders=("example_data",),
    examples=CLASS_IN_NAME,
    profile=Preprocessing("round1", INPUT_SIZE, ChannelOrder.BGR, Scaling.MINMAX),
    num_classes=(5, 5),
    data_set="image-classification-jun2020",
    label_column="ground_truth",
    errata=Errata(
        "NIST's erratum to Round 1: labelled poisoned, but no trigger was embedded",
        {"train": (184, 599, 858, 1088), "test": (77, 83)},
    ),
)
