"""The rooms of pipelines import the heavy packages that only draw, compare, detect or download late."""

import pkgutil
import subprocess
import sys

import pipelines

ROOMS = [module.name for module in pkgutil.iter_modules(pipelines.__path__) if module.ispkg]
HEAVY = ("imagehash", "jinja2", "ai_edge_litert", "matplotlib", "mtcnn", "tensorboard", "tensorflow_datasets")


def test_rooms_of_pipelines_import_no_heavy_package():
    rooms = [f"pipelines.{name}" for name in ROOMS if name != "commands"]
    # An import of one now fails. `import *` imports all that a room hands on.
    program = "\n".join(
        [
            f"import sys; sys.modules.update(dict.fromkeys({HEAVY}))",
            *(f"from {room} import *" for room in rooms),
            "import sparseface_tf.training.stages",
        ]
    )
    subprocess.run([sys.executable, "-c", program], check=True)
