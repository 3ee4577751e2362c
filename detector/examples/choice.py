"""Which images are asked for: |D| of them, and whose rule selects them."""

from __future__ import annotations

from dataclasses import dataclass

from detector.pruning.theta import SelectionRule, Theta


@dataclass(frozen=True)
class ImageChoice:
    """`num_images` = |D| >= 1 of the examples of a model, fewer where there are not as many, selected by `rule`."""

    num_images: int
    rule: SelectionRule = SelectionRule.PAPER

    def __post_init__(self) -> None:
        if self.num_images < 1:
            raise ValueError(f"expected at least one image, got {self.num_images}")

    @classmethod
    def of(cls, theta: Theta) -> ImageChoice:
        """The images that a theta is measured on."""
        return cls(theta.num_images, theta.rule)
