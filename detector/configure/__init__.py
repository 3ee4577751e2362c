"""The command `configure`: from a folder of labelled models to a bundle of learned parameters.

`rounds` (which models there are, and their labels), `grids` (which thetas are tried), `store`, `sweeping` and `workers`
(what all variants answer, measured once), `readings` (what is learned from), `fitting` and `evaluation` (a regression,
and what it is worth on models it has not seen), `learning` (both, for a given theta), `searching` and `crossvalidation`
(the search over everything, judged as a whole), `automatic` (both, for `configure`), `configuring` (the story). Only
here is scikit-learn used, and only when a regression is fitted.
"""
