"""The published results: from measurements to `docs/results.md`, its figures, and the default bundle.

`analysis` computes, `page` writes the text, `drawing` the figures; `python -m laboratory.results` runs all of it. Only
numbers that were measured earlier are read, no model and no image.
"""
