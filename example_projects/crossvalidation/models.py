"""The models that are compared."""

from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def model(name: str, seed: int, trees: int | None = None) -> Pipeline:
    """Return a model that is not fitted yet."""
    models: dict[str, ClassifierMixin] = {
        "linear": LogisticRegression(max_iter=1000),
        "forest": RandomForestClassifier(n_estimators=trees or 60, random_state=seed, n_jobs=1),
        "neighbours": KNeighborsClassifier(n_neighbors=5),
    }
    return make_pipeline(StandardScaler(), models[name])
