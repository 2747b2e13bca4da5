"""How the content of a stage's metrics.json is said in tables."""

TITLES = {"held_out": "held-out accuracy", "test": "test accuracy", "training": "training accuracy"}


def accuracy(result: dict, test: str) -> str:
    """Accuracy with its standard error, from the content of a metrics.json."""
    verified = result["verification"][test]
    return f"{verified['accuracy']:.4f} ± {verified['standard_error']:.4f}"
