"""The command `configure`: from a folder of labelled models to a bundle of learned parameters.

`rounds` (which models there are, and their labels), `measuring` (what their pruned variants answer), `fitting` and
`evaluation` (a regression, and what it is worth on models it has not seen), `learning` (both, per architecture),
`configuring` (the story). Only here is scikit-learn used, and only when a regression is fitted.
"""
