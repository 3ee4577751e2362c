"""Before hours of measuring: are the images of a round of the size that `train_preprocessing` takes?"""

from __future__ import annotations

from detector.base.errors import ExamplesError, ParametersError
from detector.examples.images import list_examples, takes_any
from detector.examples.profile_choice import candidate_profiles
from detector.rounds.preprocessing import PROFILES, Preprocessing
from detector.rounds.reading import Round

_FIRST_MODELS = 3  # whose images are looked at


def check_profile(found: Round, preprocessing: Preprocessing) -> None:
    """Say once, not for each model, if the images of the first ones are of another size than is asked for.

    Models whose images cannot be listed are left out later, with the reason.

    Raises
    ------
    ParametersError
        None of their images fits, and those of another profile that can be named would.
    """
    fitting: dict[str, None] = {}
    for model in found.models[:_FIRST_MODELS]:
        try:
            listing = list_examples(model.examples_dirpath)
        except ExamplesError:
            continue
        if takes_any(listing, preprocessing):
            return
        fitting |= dict.fromkeys(one.name for one in candidate_profiles(listing) if one.name in PROFILES)
    if fitting:
        raise _other_profile(found, preprocessing, list(fitting))


def _other_profile(found: Round, preprocessing: Preprocessing, fitting: list[str]) -> ParametersError:
    sides = " or ".join(f"{side} x {side}" for side in sorted({preprocessing.crop, preprocessing.uncropped}))
    return ParametersError(
        f"the images are not of the size that train_preprocessing {preprocessing.name} takes",
        where=found.directory,
        expected=f"images of {sides} pixels, or another train_preprocessing: {' or '.join(fitting)} would fit",
        next_step=f"run it again with --set train_preprocessing={fitting[0]}",
    )
