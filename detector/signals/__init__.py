"""Signals: one file each. What is imported here is known: a further signal is its file and one line below.

The order is that of the report and of columns of readings; nothing that is stored depends on it, for all numbers are
found by name.
"""

# isort: off
from detector.signals import accuracy as accuracy
from detector.signals import log_probability as log_probability
from detector.signals import margin as margin
from detector.signals import entropy as entropy
from detector.signals import concentration as concentration
from detector.signals import lowest_recall as lowest_recall
from detector.signals import classifier_weights as classifier_weights
from detector.signals import unpruned as unpruned
from detector.signals import attraction as attraction
from detector.signals import own_attraction as own_attraction
from detector.signals import probing as probing
