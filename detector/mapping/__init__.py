"""Mappings: one file each. What is imported here is known: a further mapping is its file and one line below."""

from detector.mapping import any_of as any_of
from detector.mapping import linear as linear
from detector.mapping import logistic as logistic
