"""File names and what they say, against TrojAI's documented forms."""

import pytest

from detector.rounds.example_names import ExampleName, parse_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("class_0_example_0.png", ExampleName(0, 0)),
        ("class_12_example_345.png", ExampleName(12, 345)),
        ("class_3_example_7.PNG", ExampleName(3, 7)),
        ("class_3_example_7.Png", ExampleName(3, 7)),
        ("class_5_trigger_1_example_9.png", ExampleName(5, 9, trigger=1)),
        ("class_5_trigger_0_example_9.png", ExampleName(5, 9, trigger=0)),
        ("some/class_99_example_1.png/class_4_example_2.png", ExampleName(4, 2)),
        ("class_8_trigger_1_example_1/class_4_example_2.png", ExampleName(4, 2)),
    ],
)
def test_documented_names(name: str, expected: ExampleName) -> None:
    assert parse_name(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "", "data.csv", "trigger_0.png", "class_1_example_2.jpg", "class_1_example_2.png.gz", "class_1_example_2png",
        "class_x_example_2.png", "class_-1_example_2.png", "class_1_example_.png", "class__example_2.png",
        "CLASS_1_example_2.png", "class_1_example_2.png\n", "._class_1_example_2.png", "class_1_example_2 (1).png",
        "class_\N{ARABIC-INDIC DIGIT ONE}_example_2.png", "class_1234567890123_example_2.png",
        "class_1_trigger_example_2.png",
    ],
)  # fmt: skip
def test_other_names(name: str) -> None:
    assert parse_name(name) is None


def test_poisoned_examples_keep_their_true_class() -> None:
    name = parse_name("class_5_trigger_1_example_9.png")
    assert name is not None
    assert name.poisoned
    assert name.label == 5
    assert not ExampleName(5, 9).poisoned
    assert ExampleName(5, 9, trigger=0).poisoned
