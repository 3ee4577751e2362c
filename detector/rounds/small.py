"""What `python -m laboratory.roundgen small` trains: Round 2 at about a fifth of the size, for a CPU."""

from __future__ import annotations

from detector.rounds.example_names import CLASS_IN_NAME
from detector.rounds.layout import RoundLayout
from detector.rounds.profile import ChannelOrder, Preprocessing, Scaling

SMALL_INPUT_SIZE, SMALL_UNCROPPED_SIZE = 48, 54  # pixels, of the network's input and on disk

LAYOUT = RoundLayout(
    name="small",
    example_folders=("example_data",),
    examples=CLASS_IN_NAME,
    profile=Preprocessing("small", SMALL_INPUT_SIZE, ChannelOrder.RGB, Scaling.DIV255, SMALL_UNCROPPED_SIZE),
    num_classes=(5, 24),
)
