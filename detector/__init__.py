"""Pruning-based trojan detector for image classifiers, after Bajcsy and Majurski (arXiv 2101.12016).

The data's way is the tree's order: `model_file` (untrusted bytes to inert records to a clean network), `quality`
(is it what a reference architecture should be), `examples` (images and labels), `pruning` (what changes in each
variant), `measurement` (what the variants answer), `mapping` (those answers to a probability), `detect` (the story).
"""

__version__ = "0.1.0"
