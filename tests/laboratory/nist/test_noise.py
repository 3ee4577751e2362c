"""What the in-sample figures of NIST's bundles are worth: the same fit on pure noise, on as many models."""

import json
from pathlib import Path

import numpy as np

ROUND2 = Path(__file__).resolve().parents[3] / "learned_params" / "nist-round2"
REPEATS = 40


def test_pure_noise_errs_in_sample_hardly_more_often_than_the_published_fit() -> None:
    rng = np.random.default_rng(0)
    noise, published = [], []
    for path in sorted(ROUND2.glob("[!b]*.json")):
        learned = json.loads(path.read_text())
        models, poisoned = learned["provenance"]["num_models"], learned["provenance"]["num_poisoned"]
        published.append(learned["configurations"][0]["in_sample"]["error_rate"])
        labels = np.repeat([0.0, 1.0], [models - poisoned, poisoned])
        for _ in range(REPEATS):
            features = np.column_stack([np.ones(models), rng.normal(size=(models, 15))])
            fitted = features @ np.linalg.lstsq(features, labels, rcond=None)[0]
            noise.append(np.mean((fitted >= 0.5) != (labels == 1)))
    assert len(published) == 23
    assert 0.235 <= np.mean(published) <= 0.255
    assert 0.235 <= np.mean(noise) <= 0.265
