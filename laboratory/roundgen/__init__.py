"""A generator of TrojAI-like rounds: synthetic signs on textured backgrounds, polygon triggers, small trained models.

It stands beside the detector and shares with it only the table of architectures and the on-disk layout.
"""
