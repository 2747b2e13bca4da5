"""The faces of a run: opened, checked, split, and drawn from for every stage."""

import os
import shutil

import numpy as np

from pipelines.batches.batches import check_pairs, image_batches, pair_batches
from pipelines.batches.pairs import deal_folds, held_out_pairs
from pipelines.batches.pairs_file import read_pairs
from pipelines.files import write_atomically, write_text
from pipelines.inspection.checking import check_images
from pipelines.sources.subset import cap_images, split_identities, split_images
from sparseface_tf.runs import HELD_OUT


class RunData:
    """What a run trains and tests on.

    `open` is quick, and finds what is wrong with names and lists; `check` reads every image.

    Args:
        settings: `settings.Data`.
        region: the `Region` that the network sees.
        augmentation: `Augmentation` of the training images.
        pairs: pairs in a mini-batch.
        seed: of everything that is drawn.
        output: folder for the lists of what was left out and held out.
        opened: dict that keeps the images that were opened and checked, for further runs on them;
            None for a run that is alone.

    Attributes:
        region: as given.
        training, held_out: sources of faces of different people, after `check`.
        tests: dict from "held_out", "training" and "test" to (source, pairs, same, folds).
        classified: source of images of training identities that are not trained on, and their
            identities as the training's are numbered; None without --held_out_images.
    """

    def __init__(self, settings, *, region, augmentation, pairs, seed, output, opened=None):
        self.settings, self.region, self.augmentation = settings, region, augmentation
        self.pairs, self.seed, self.output = pairs, seed, output
        self.opened = {} if opened is None else opened
        self._batches = {}

    def open(self):
        """Opens the faces and the lists of pairs.

        Raises:
            ValueError, OSError: with one line that says what to change.
        """
        settings = self.settings
        self.faces = self._kept(
            "open", settings.faces, lambda: settings.open_faces(self.seed)
        )
        self.tests = {}
        if settings.test_data:
            test = self._kept(
                "open",
                settings.test_data,
                lambda: settings.open_faces(self.seed, settings.test_data),
            )
            # LFW comes with its pairs.
            test_pairs = settings.test_pairs or test.pairs["10_folds"]
            pairs, same, folds = read_pairs(test_pairs, test)
            if len(np.unique(folds)) < 2:
                # A list without folds, such as LFW's View 1.
                folds = deal_folds(same)
            self.tests["test"] = (test, pairs, same, folds)

    def check(self):
        """Leaves out bad images, and splits the people into training and held-out ones.

        Files in the run's output folder name both.

        Raises:
            ValueError: if too many images are bad, or too few are left to train on.
        """
        settings = self.settings
        if settings.faces != "synthetic":
            self.faces = self._checked(
                settings.faces, self.faces, "bad_images.txt", exclude=settings.exclude
            )
        if "test" in self.tests:
            # A test with missing images would be another test.
            self._checked(
                settings.test_data,
                self.tests["test"][0],
                "bad_test_images.txt",
                copies=True,
                limit=0,
            )
        self.training, self.held_out = split_identities(
            self.faces, settings.held_out, seed=self.seed
        )
        # By name, for those who must know later, from whatever copy of the data.
        names = "".join(f"{name}\n" for name in self.held_out.identities)
        write_text(os.path.join(self.output, HELD_OUT), names)
        self.training = cap_images(self.training, settings.max_images, seed=self.seed)
        self.classified = None
        if settings.held_out_images:
            self.training, *self.classified = split_images(
                self.training, settings.held_out_images, self.seed
            )
        pairs = self._drawn(self.held_out, "held_out_pairs")
        self.tests = {"held_out": (self.held_out, *pairs), **self.tests}
        if settings.training_pairs:
            pairs = self._drawn(self.training, "training_pairs")
            self.tests["training"] = (self.training, *pairs)
        # Makes sure now that there are pairs to train on.
        check_pairs(self.training, self.pairs, self.seed, settings.sampling)

    def summary(self):
        """What there is to train on, a sentence without its end."""
        counts = np.bincount(self.training.labels)
        return (
            f"Training on {len(self.training)} images of {len(counts)} identities "
            f"({counts.min()} to {counts.max()} each, {np.sum(counts == 1)} with one image, which "
            f"pair with others only; {np.sum(counts * (counts - 1) // 2)} pairs of the same), "
            f"{len(self.held_out)} images of {len(self.held_out.identities)} others held out"
            + (f", and {len(self.classified[0])} of theirs" if self.classified else "")
        )

    def numbers(self):
        """How much there is to train on: dict of "images" and "identities"."""
        return {"images": len(self.training), "identities": len(self.training.identities)}

    def pair_batches(self, step, ordered=None):
        """Mini-batches of pairs from a step of the run on, see `pipelines.batches.pair_batches`."""
        return pair_batches(
            self.training,
            pairs=self.pairs,
            seed=self.seed,
            start_step=step,
            region=self.region,
            augmentation=self.augmentation,
            sampling=self.settings.sampling,
            ordered=self.settings.ordered if ordered is None else ordered,
        )

    def correlation_images(self, count):
        """Held-out images for the correlations, drawn evenly from all held-out identities.

        Args:
            count: how many at most.
        """
        count = min(count, len(self.held_out))
        chosen = np.random.default_rng(self.seed).permutation(len(self.held_out))
        return self.image_batches(self.held_out, np.sort(chosen[:count]))

    def image_batches(self, faces, indices=None, *, batch=128, mirrored=False):
        """Images in order, see `pipelines.batches.image_batches`; the same ones are made once.

        A dataset can be read again and again, and its graph takes longer to make than a few
        hundred images take to read.

        Args:
            faces: one of the sources of this run.
            indices, batch, mirrored: see `pipelines.batches.image_batches`.
        """
        which = None if indices is None else np.asarray(indices).tobytes()
        key = (id(faces), which, batch, mirrored)
        if key not in self._batches:
            made = image_batches(faces, indices, batch=batch, region=self.region, mirrored=mirrored)
            # With the source, whose id nothing else gets while it lives.
            self._batches[key] = faces, made
        return self._batches[key][1]

    def _drawn(self, source, flag):
        """Pairs of a source's images, as many as a setting says."""
        wanted = getattr(self.settings, flag)
        try:
            return held_out_pairs(source, wanted, seed=self.seed)
        except ValueError as error:
            raise ValueError(f"--{flag}={wanted}: {error}") from None

    def _kept(self, what, data, make):
        """What `make` returns, or returned for an earlier run on the same images."""
        values = [self.settings.exclude]
        if data == "synthetic":
            one = self.settings
            values += [one.identities, one.images_per_identity, one.variation, self.seed]
        key = (what, data, *values)
        if key not in self.opened:
            self.opened[key] = make()
        return self.opened[key]

    def _checked(self, data, source, name, **options):
        """The source without its bad images, which a file of the output folder lists."""
        path = os.path.join(self.output, name)

        def check():
            return check_images(source, path, **options), path

        source, listed = self._kept("check", data, check)
        if listed != path:
            with open(listed, "rb") as file:
                write_atomically(path, lambda copy: shutil.copyfileobj(file, copy))
        return source
