"""NIST's published coefficients: the shipped bundles, against the tables and against arithmetic by hand."""

import csv
from pathlib import Path

import pytest

from detector.architectures import ARCHITECTURES, TROJAI_ARCHITECTURES
from detector.base.errors import ParametersError
from detector.mapping.bundles import load_bundle, load_parameters
from detector.mapping.parameters import LearnedParameters
from detector.mapping.predict import predict
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta
from laboratory.nist import tables as nist

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "learned_params"
TABLES = ROOT.parent / "shared" / "nist"
needs_tables = pytest.mark.skipif(not TABLES.is_dir(), reason="NIST's tables are not beside this checkout")

ROUND_1 = {"densenet121", "inceptionv3", "resnet50"}
ROUND_4 = {
    "resnet18", "resnet34", "resnet50", "resnet101", "googlenet", "inceptionv3", "densenet121", "squeezenetv1_0",
    "squeezenetv1_1", "wideresnet50", "mobilenetv2", "shufflenet1_0", "shufflenet1_5", "shufflenet2_0", "vgg11bn",
    "vgg13bn",
}  # fmt: skip
FITTED = {"nist-round1": ROUND_1, "nist-round2": set(TROJAI_ARCHITECTURES), "nist-round3": set(TROJAI_ARCHITECTURES)}
FITTED["nist-round4"] = ROUND_4


def _load(bundle: str, architecture: str) -> LearnedParameters:
    parameters = load_parameters(SHIPPED, bundle, architecture)
    assert parameters is not None
    return parameters


def _files(directory: Path) -> dict[str, bytes]:
    return {f"{file.parent.name}/{file.name}": file.read_bytes() for file in directory.glob("nist-*/*")}


@needs_tables
def test_shipped_bundles_are_a_fresh_conversion(tmp_path: Path) -> None:
    nist.main(["--tables", str(TABLES), "--output", str(tmp_path)])
    assert _files(tmp_path) == _files(SHIPPED)
    assert len(_files(SHIPPED)) == 4 + 3 + 23 + 23 + 16


@pytest.mark.parametrize("bundle", FITTED)
def test_rounds_have_the_architectures_that_they_had(bundle: str) -> None:
    present = {name for name in ARCHITECTURES if load_parameters(SHIPPED, bundle, name) is not None}
    assert present == FITTED[bundle]


@pytest.mark.parametrize("bundle", FITTED)
def test_every_file_says_what_it_is(bundle: str) -> None:
    expected = Theta(
        PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.067, 15, 10, rule=SelectionRule.NIST
    )
    for architecture in FITTED[bundle]:
        parameters = _load(bundle, architecture)
        (configuration,) = parameters.configurations
        assert configuration.thetas == (expected,)
        assert configuration.cost == 150
        assert configuration.held_out is None
        assert configuration.in_sample is not None
        assert parameters.preprocessing.name == ("round1" if bundle == "nist-round1" else "rgb_minmax")
        assert (parameters.clip.low, parameters.clip.high) == (0.01, 0.99)
        evaluation = parameters.provenance.evaluation
        assert "In-sample" in evaluation
        assert "no held-out figures" in evaluation
        assert "at chance" in evaluation
        assert parameters.base_rate == parameters.provenance.num_poisoned / parameters.provenance.num_models


def test_base_rates_of_the_rounds() -> None:
    """Round 1: 532 of 1000; the others were balanced."""
    assert load_bundle(SHIPPED, "nist-round1").base_rate == 0.532
    for bundle in ("nist-round2", "nist-round3", "nist-round4"):
        assert load_bundle(SHIPPED, bundle).base_rate == pytest.approx(0.5, abs=0.005)


def test_naming_errors_are_put_right() -> None:
    """True counts: VGG-11 and VGG-13 30 + 47, VGG-16 37, VGG-19 43 models in Round 2."""
    counts = {name: _load("nist-round2", name).provenance for name in ("vgg11bn", "vgg13bn", "vgg16bn", "vgg19bn")}
    assert {name: row.num_models for name, row in counts.items()} == {
        "vgg11bn": 77, "vgg13bn": 77, "vgg16bn": 37, "vgg19bn": 43
    }  # fmt: skip
    for name in ("vgg11bn", "vgg13bn"):
        assert any("together" in note for note in counts[name].notes)
    assert any("vgg16_bn" in note for note in counts["vgg19bn"].notes)
    for name in ("squeezenetv1_0", "squeezenetv1_1"):
        assert any("mixture" in note for note in _load("nist-round2", name).provenance.notes)
    assert _load("nist-round4", "wideresnet50").provenance.num_models == 47
    assert _load("nist-round4", "googlenet").provenance.num_models == 57


def test_interpolating_fits_say_so() -> None:
    """Round 3's SqueezeNets: 16 coefficients on 5 and 14 models."""
    for bundle, architectures in FITTED.items():
        for name in architectures:
            provenance = _load(bundle, name).provenance
            says_so = any("every point" in note for note in provenance.notes)
            assert says_so is (provenance.num_models <= 16)
    assert _load("nist-round3", "squeezenetv1_0").provenance.num_models == 5


def test_figures_of_the_spec() -> None:
    """Published in-sample error in percent and cross-entropy."""
    for bundle, name, percent, cross_entropy in (
        ("nist-round1", "resnet50", 30.38, 0.5169),
        ("nist-round2", "inceptionv3", 9.30, 0.3477),
        ("nist-round3", "vgg16bn", 20.41, 1.0123),
        ("nist-round4", "vgg13bn", 30.83, 0.5919),
    ):
        figures = _load(bundle, name).configurations[0].in_sample
        assert figures is not None
        assert figures.error_rate * 100 == pytest.approx(percent, abs=0.011)  # published cut to 2 decimals
        assert figures.cross_entropy == cross_entropy


def test_probability_by_hand_round_1() -> None:
    """DenseNet-121, all accuracies 1: the sum of b0 ... b15, added up by hand from the published row."""
    parameters = _load("nist-round1", "densenet121")
    prediction = predict(parameters.configurations[0], [1.0] * 15, parameters.clip)
    by_hand = (
        -0.18293125848764008 + 0.37203293780214386 - 0.39045317869772483 - 0.3927501855630139 + 0.625150924669289
        + 0.5916312832559766 + 0.09722432426059135 - 0.45358930187550206 - 0.10028629477110824 + 0.21879474725024378
        + 0.29174388371886706 - 0.18135029424125668 + 0.3785036066562096 - 0.21375984736531606 + 0.2591326162261669
        - 0.49905660888651926
    )  # fmt: skip
    assert prediction.raw == pytest.approx(by_hand, abs=1e-14)
    assert prediction.probability == pytest.approx(0.420037, abs=1e-6)


def test_probability_by_hand_round_2() -> None:
    """DenseNet-121, accuracies 1 but for A_1 = 0.5 and A_14 = 0.2."""
    parameters = _load("nist-round2", "densenet121")
    vector = [0.5] + [1.0] * 12 + [0.2, 1.0]
    prediction = predict(parameters.configurations[0], vector, parameters.clip)
    by_hand = (
        0.835989630038257 - 0.5 * 0.43377973921086566 + 0.16452862074685243 + 0.823486188882701 + 0.04792829952302032
        - 0.7221355516776724 - 0.6033780744334435 + 0.21810416029681634 + 0.21139401619378312 + 0.19440661007333757
        + 0.3795109004318329 - 1.0738174616326397 + 0.4600030736920376 + 0.09454756975566136
        - 0.2 * 1.4236604593654831 + 0.48359924670760795
    )  # fmt: skip
    assert prediction.raw == pytest.approx(by_hand, abs=1e-14)
    assert by_hand > 0.99
    assert prediction.probability == 0.99


@needs_tables
def test_coefficients_are_in_the_order_of_the_table() -> None:
    with (TABLES / "r4_reset_L1_targeted_15_10_0p067.csv").open() as file:
        rows = {row[0]: row for row in csv.reader(file)}
    for architecture, row in (("wideresnet50", "wide_resnet50"), ("googlenet", "inceptionv1(googlenet)")):
        (configuration,) = _load("nist-round4", architecture).configurations
        published = [float(cell) for cell in rows[row][2:18]]
        assert [configuration.intercept, *configuration.coefficients] == published


def test_missing_and_malformed_tables(tmp_path: Path) -> None:
    with pytest.raises(ParametersError, match=r"r1_reset.*cannot be read"):
        nist.convert(tmp_path, tmp_path / "out")
    (tmp_path / "r1_reset_L1_targeted_15_10_0p07.csv").write_text("architecture_name,b0\nresnet50,one\n")
    with pytest.raises(SystemExit) as caught:
        nist.main(["--tables", str(tmp_path), "--output", str(tmp_path / "out")])
    assert caught.value.code == 5
    assert not (tmp_path / "out").exists()
