import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from pcqtool_rivals.linear import PairwiseLinear, StandardisedLinear, balance


def _data(classes: list[int]) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Return features of overlapping classes, targets, and the standardised features."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.tensor(classes * 30)
    features = torch.randn(len(targets), 5, generator=generator) + 0.5 * targets.unsqueeze(1) * torch.arange(5) + 3
    return features, targets, ((features - features.mean(0)) / features.std(0, correction=0)).numpy()


@pytest.mark.parametrize("classes", [[0, 1, 2, 3], [0, 2, 3], [0, 2]])
def test_logistic_regression_is_scikit_learns(classes: list[int]) -> None:
    features, targets, standardised = _data(classes)
    linear, estimator = StandardisedLinear(5, 4), LogisticRegression()
    linear.fit(estimator, features, targets, torch.ones(len(targets)))
    expected = np.zeros((len(targets), 4))
    expected[:, classes] = estimator.predict_proba(standardised)
    np.testing.assert_allclose(linear(features).softmax(1).numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("classes", [[0, 1, 2, 3], [0, 2, 3], [0, 2]])
def test_pairwise_classifiers_are_scikit_learns(classes: list[int]) -> None:
    features, targets, standardised = _data(classes)
    linear, estimator = PairwiseLinear(5, 4), SVC(kernel="linear")
    linear.fit(estimator, features, targets, torch.ones(len(targets)))
    scores = linear(features)
    if len(classes) == 4:
        np.testing.assert_allclose(scores.numpy(), estimator.decision_function(standardised), atol=1e-3)
    assert (scores.argmax(1).numpy() == estimator.predict(standardised)).mean() > 0.99  # votes may be equal


def test_rows_count_by_their_weights() -> None:
    features, targets, _ = _data([0, 1])
    twice, weighted = StandardisedLinear(5, 2), StandardisedLinear(5, 2)
    weights = torch.ones(60)
    weights[:20] = 2
    rows = torch.cat((torch.arange(60), torch.arange(20)))
    twice.fit(LogisticRegression(), features[rows], targets[rows], torch.ones(80))
    weighted.fit(LogisticRegression(), features, targets, weights)
    torch.testing.assert_close(twice(features), weighted(features), atol=1e-3, rtol=1e-3)


def test_classes_are_balanced_by_the_sums_of_their_weights() -> None:
    targets = torch.tensor([0, 0, 0, 2])
    assert balance(targets, torch.tensor([1.0, 2.0, 1.0, 0.5])).tolist() == [0.5, 1.0, 0.5, 2.0]


@pytest.mark.parametrize("kind", [StandardisedLinear, PairwiseLinear])
def test_the_weights_survive_saving(kind: type[StandardisedLinear]) -> None:
    features, targets, _ = _data([0, 1, 2])
    linear, loaded = kind(5, 3), kind(5, 3)
    linear.fit(SVC(kernel="linear"), features, targets, torch.ones(len(targets)))
    loaded.load_state_dict(linear.state_dict())
    assert torch.equal(linear(features), loaded(features))
