"""Which faces a run trains and tests on, and what part of the face."""

import dataclasses

from pipelines.command_line import setting
from pipelines.faces.regions import TABLE, Region, read_regions
from pipelines.faces.source import Faces
from pipelines.sources import open_faces
from pipelines.sources.names import check_there
from sparseface_tf.training.settings.ranges import check_choice, check_range


@dataclasses.dataclass(frozen=True)
class Data:
    """Faces for training, holding out and testing."""

    faces: str = setting(
        "synthetic",
        "Training faces: 'synthetic', a folder IDENTITY/IMAGE, a pattern of several such folders "
        "('/data/set*/'), 'lfw', or 'tfds:NAME[:SPLIT]' for one of TensorFlow Datasets.",
        flag="data",
        key=True,
    )
    exclude: str = setting(
        "", "File of names to leave out, such as exclude.txt of pipelines.inspect."
    )
    identities: int = setting(400, "Number of synthetic identities, held-out ones included.")
    images_per_identity: int = setting(20, "Synthetic images an identity.")
    variation: float = setting(
        1.0, "How much synthetic images of an identity differ, from 0 to 1; less is easier."
    )
    held_out: float = setting(
        0.15,
        "Identities held out of training for the correlations and for choosing anything: "
        "a fraction below 1, or a number. The paper's is 1/7.",
    )
    test_data: str = setting(
        "", "Test faces, named as for --data. Default: held-out pairs.", key=True
    )
    test_pairs: str = setting(
        "", "Pairs to verify on --test_data, in LFW's format; 'lfw' has its View 2.", key=True
    )
    held_out_images: float = setting(
        0.0,
        "Share of each training identity's images that is not trained on but classified in the "
        "end, as the poster measures accuracy.",
    )
    held_out_pairs: int = setting(3000, "Pairs drawn from the held-out identities for testing.")
    training_pairs: int = setting(
        0, "Pairs drawn from the training identities, verified too: Table 7's training error."
    )
    sampling: str = setting(
        "images", "Pairs go through all 'images' evenly, or draw all 'identities' equally often."
    )
    max_images: int = setting(0, "Training images of an identity at most; 0: all of them.")
    ordered: bool = setting(
        True, "The same order of batches on every run; --noordered lets quick ones overtake."
    )
    data_service: str = setting(
        "", "Address of a tf.data service that makes the training batches (needs --noordered)."
    )
    region: str = setting(
        "face",
        "Part of the face, a name in --regions. Several, joined by commas, or 'all' are trained one "
        "after another, each in a folder of --output.",
    )
    regions: str = setting(
        "", "Table of the regions, CSV. Default: the 25 that come with the package."
    )

    def check(self) -> None:
        """Raises ValueError or OSError, in one line, on the first setting that makes no sense."""
        for name in filter(None, (self.faces, self.test_data)):
            check_there(name)
        check_choice(self, "sampling", ("images", "identities"))
        check_range(self, "held_out", above=0)
        check_range(self, "held_out_images", least=0, below=1)
        check_range(self, "training_pairs", least=0)
        check_range(self, "variation", least=0, most=1)
        if self.max_images < 0 or self.max_images == 1:
            raise ValueError(f"--max_images must be 0 or at least 2, got {self.max_images}.")
        if self.data_service and self.ordered:
            raise ValueError("--data_service gives batches in any order: add --noordered.")
        if bool(self.test_data) != bool(self.test_pairs) and self.test_data != "lfw":
            raise ValueError("--test_data and --test_pairs belong together; give both or neither.")
        if self.exclude and self.faces == "synthetic":
            raise ValueError("--exclude names images of --data, which 'synthetic' has not.")

    def open_faces(self, seed: int, name: str | None = None) -> Faces:
        """The source of faces of that name; default: --data. The seed is that of rendered ones."""
        return open_faces(
            name or self.faces,
            identities=self.identities,
            images_per_identity=self.images_per_identity,
            variation=self.variation,
            seed=seed,
        )

    def region_names(self) -> list[str]:
        """The names of --region, in order.

        Raises:
            ValueError: for a region that is not in the table, or that stands twice.
        """
        table = read_regions(self.regions or TABLE)
        names = list(table) if self.region == "all" else self.region.split(",")
        for name in names:
            if name not in table:
                raise ValueError(f"--region={name}: no such region; there are {', '.join(table)}.")
        if len(set(names)) < len(names):
            raise ValueError(f"--region={self.region} has a region twice.")
        return names

    def region_of_face(self, input_width: int) -> Region:
        """The `Region` that a network of that input width sees, in pixels."""
        return read_regions(self.regions or TABLE)[self.region].scaled(input_width)
