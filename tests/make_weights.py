"""Makes the classifiers that the package ships, in minigen/weights/: `minigen train classifier`, then this.

    python -m minigen train classifier --out runs/digits_classifier
    python -m minigen train classifier --data mnist --out runs/mnist_classifier
    python -m minigen train classifier --data critters --out runs/critters_classifier
    python tests/make_weights.py runs/digits_classifier runs/mnist_classifier runs/critters_classifier

Each file holds weights and running statistics, and in its metadata the command and the figures on the test split.
"""
import sys
from pathlib import Path

import numpy as np

from minigen import checkpoint, data
from minigen.models.classifiers import CNN
from minigen.models.classifiers.cnn import SHIPPED, WEIGHTS

for folder in sys.argv[1:]:
    tensors, settings = checkpoint.load(Path(folder) / "checkpoint.safetensors")
    weights = checkpoint.with_prefix("model", tensors)
    name, test = settings["data"], data.load(settings["data"], "test")
    file, space, labels = SHIPPED[name]
    model = CNN(space, labels, rng=np.random.default_rng(0))
    model.load_state_dict(weights)
    figures = [str(measure) for measure in model.eval().measure(test.columns, np.random.default_rng(0))]
    WEIGHTS.mkdir(exist_ok=True)
    command = f"python -m minigen train classifier --data {name} --seed {settings['seed']}"
    path = WEIGHTS / file
    checkpoint.save(path, weights, {"command": command, "steps": settings["step"], test.note: figures})
    print(f"{path.name}, {path.stat().st_size / 1024:.0f} KiB. {test.note}: {'; '.join(figures)}")
