"""The preprocessing that a detection begins with: the caller's word, else what the parameters were learned with.

Where the images are of another size, and where the preprocessing is to be found, other profiles come into it.
"""

from __future__ import annotations

from detector.examples.images import takes_any
from detector.examples.listing import Listing
from detector.examples.profile_choice import documented_profile
from detector.mapping.parameters import LearnedParameters
from detector.rounds.preparation import Preparation
from detector.rounds.preprocessing import PROFILES, Preprocessing


def first_profile(
    listing: Listing, parameters: LearnedParameters, named: str | None, preparation: Preparation
) -> Preprocessing:
    """The profile; `named` is that of the settings, if any.

    Where it is to be found, photographs are made as large as the images of Round 2, which is what most networks of the
    world see, unless images of another profile are among them.
    """
    found = is_found(parameters, named, preparation)
    wanted = PROFILES[named] if named else parameters.preprocessing
    profile = documented_profile(wanted, listing, any_size=found and not preparation.resize)
    if preparation.resize and found and not takes_any(listing, profile):
        profile = PROFILES["round2"]
    return preparation.applied(profile)


def is_found(parameters: LearnedParameters, named: str | None, preparation: Preparation) -> bool:
    """Whether preprocessing is found: for a mapping of networks of any training, which knows the limits of its
    experience. Other parameters are only right with what they were fitted with; the caller's word is taken as it is.
    """
    told = named is not None or preparation.mean is not None
    return not told and any(one.experience for one in parameters.configurations)
