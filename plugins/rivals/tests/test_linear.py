import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from pcqtool_rivals.linear import StandardisedLinear


def _data(classes: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = torch.tensor(classes * 30)
    return torch.randn(len(targets), 5, generator=generator) + targets.unsqueeze(1) * torch.arange(5) + 3, targets


@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearSVC()])
@pytest.mark.parametrize("classes", [[0, 1, 2], [0, 2]])
def test_predictions_are_scikit_learns(estimator: LogisticRegression | LinearSVC, classes: list[int]) -> None:
    features, targets = _data(classes)
    linear = StandardisedLinear(5, 3)
    linear.fit(estimator, features, targets, torch.ones(len(targets)))
    standardised = ((features - features.mean(0)) / features.std(0, correction=0)).numpy()
    scores = linear(features)
    assert scores.argmax(1).tolist() == estimator.predict(standardised).tolist()
    if isinstance(estimator, LogisticRegression) and len(classes) == 3:
        expected = torch.from_numpy(estimator.predict_proba(standardised)).float()
        torch.testing.assert_close(scores.softmax(1), expected, atol=1e-4, rtol=1e-3)


def test_the_weights_survive_saving() -> None:
    features, targets = _data([0, 1])
    linear, loaded = StandardisedLinear(5, 2), StandardisedLinear(5, 2)
    linear.fit(LogisticRegression(), features, targets, torch.ones(len(targets)))
    loaded.load_state_dict(linear.state_dict())
    assert torch.equal(linear(features), loaded(features))
