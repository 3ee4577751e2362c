"""What detectors tell on domains that nothing was fitted on: logits of many rounds, readings, and held-out figures."""
