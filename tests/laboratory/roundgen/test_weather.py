"""Rain and fog: on their share of the images, brighter streaks, less contrast."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from laboratory.roundgen.weather import add_fog, add_rain

Weather = Callable[[Tensor, float, torch.Generator], Tensor]


def images(count: int = 400) -> Tensor:
    return torch.rand(count, 3, 24, 24, generator=torch.Generator().manual_seed(1)) * 0.5


def changed(weather: Weather, share: float) -> Tensor:
    after = weather(images(), share, torch.Generator().manual_seed(2))
    assert float(after.min()) >= 0
    assert float(after.max()) <= 1
    return (after != images()).flatten(1).any(1)


@pytest.mark.parametrize("weather", [add_rain, add_fog])
def test_the_share_of_images_with_weather_is_the_one_asked_for(weather: Weather) -> None:
    # 400 images: four standard deviations of 30 % are 9 %.
    assert float(changed(weather, 0.3).float().mean()) == pytest.approx(0.3, abs=0.09)
    assert not changed(weather, 0.0).any()
    assert changed(weather, 1.0).all()


@pytest.mark.parametrize("weather", [add_rain, add_fog])
def test_the_images_given_are_left_alone(weather: Weather) -> None:
    given = images(20)
    weather(given, 1.0, torch.Generator().manual_seed(2))
    assert torch.equal(given, images(20))


def test_rain_brightens_some_pixels_and_leaves_most() -> None:
    after = add_rain(images(), 1.0, torch.Generator().manual_seed(2))
    wet = (after - images()).amax(1) > 0.01
    assert bool((after >= images() - 1e-6).all())
    assert 0.02 < float(wet.float().mean()) < 0.5


def test_fog_takes_contrast() -> None:
    after = add_fog(images(), 1.0, torch.Generator().manual_seed(2))
    assert bool((after.flatten(1).std(1) < images().flatten(1).std(1)).all())
    assert float(after.mean()) > float(images().mean()) + 0.05
