"""From trained networks to the numbers of the protocols: what evaluate.py does."""

import contextlib
import functools
import os

import numpy as np
from absl import logging

from pipelines.command_line import typed_command
from pipelines.faces.names import MissingImages, comparable
from pipelines.files import remove_partial, write_json, write_text
from pipelines.inspection.checking import check_images
from pipelines.sources import open_faces
from pipelines.sources.subset import Subset
from sparseface_tf.embedding.embedder import held_out_by_run
from sparseface_tf.embedding.embeddings import Faces, FeatureCache
from sparseface_tf.embedding.systems import open_systems
from sparseface_tf.evaluation.protocols import PROTOCOLS, Place
from sparseface_tf.evaluation.report import as_json, write_report, write_scores
from sparseface_tf.evaluation.scorers import Scorers
from sparseface_tf.evaluation.section import Section
from sparseface_tf.evaluation.settings import SETTINGS, Evaluation
from sparseface_tf.evaluation.tables import formatted_number
from sparseface_tf.runs.lock import only_process

# --flip as a report says it.
_FLIPS = {
    "average": "mean of the features of the image and of its mirror image",
    "join": "features of the image and of its mirror image side by side",
    "none": "the image's only",
}


class Evaluator:
    """One evaluation: `prepare` finds what a user may have got wrong, `run` does the work.

    Args:
        evaluation: an `Evaluation`.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.output = os.path.expanduser(evaluation.output)
        self.cache = FeatureCache(os.path.expanduser(evaluation.cache))
        self._claim = contextlib.ExitStack()

    def prepare(self) -> None:
        """Opens networks, lists and faces.

        Raises:
            ValueError, OSError: with one line that says what to change.
        """
        evaluation = self.evaluation
        evaluation.check()
        self.systems = open_systems(
            evaluation.model,
            evaluation.models,
            flip=evaluation.flip,
            region=evaluation.region,
            regions=evaluation.regions,
        )
        self._claim_output()
        try:
            self._open_all()
        except BaseException:
            self.close()
            raise

    def _open_all(self):
        evaluation = self.evaluation
        # Protocols on the same faces open them, and read their files, once.
        place = Place(
            evaluation.data,
            evaluation.lists,
            evaluation.pairs,
            evaluation.allow_missing,
            evaluation.templates,
            functools.cache(open_faces),
        )
        self.protocols = {name: self._open(name, place) for name in evaluation.protocol}
        self._faces: dict[int, Faces] = {}
        self.training = self._open_training() if evaluation.train_data else None
        self._scorers = Scorers(
            evaluation.scorers, evaluation.components, self.cache, self.training
        )

    def _open(self, name, place):
        """A protocol; images that are missing are listed in a file."""
        try:
            protocol = PROTOCOLS[name](place)
        except MissingImages as error:
            path = self._list_missing(name, error.names)
            raise ValueError(
                f"{str(error).rstrip('.')}, or go on without them by --allow_missing; they are "
                f"listed in {path}."
            ) from None
        if protocol.test.missing:
            path = self._list_missing(name, protocol.test.missing)
            count = len(protocol.test.missing)
            logging.warning("%d images or videos are missing, see %s.", count, path)
        return protocol

    def _list_missing(self, protocol, names):
        path = os.path.join(self.output, f"{protocol}_missing.txt")
        write_text(path, "".join(f"{name}\n" for name in names))
        return path

    def _open_training(self):
        """`Faces` that Joint Bayesian learns from."""
        evaluation = self.evaluation
        source = open_faces(evaluation.train_data)
        bad_images = os.path.join(self.output, "bad_images.txt")
        if evaluation.train_data != "synthetic":
            source = check_images(source, bad_images, exclude=evaluation.exclude)
        if evaluation.identities != "all":
            held_out = held_out_by_run(self.systems[0].members[0].path)
            names = np.array([*map(comparable, source.identities)])
            held = np.isin(names[source.labels], [*map(comparable, held_out)])
            wanted = held if evaluation.identities == "held_out" else ~held
            if not held.any() or not wanted.any():
                raise ValueError(
                    f"--identities={evaluation.identities}: the run held out {len(held_out)} "
                    f"identities, {evaluation.train_data} has {len(np.unique(source.labels[held]))} "
                    "of them: give the faces that the run was trained on."
                )
            source = Subset(source, np.flatnonzero(wanted))
        return Faces(source, "training faces")

    def run(self) -> list[Section]:
        """Embeds, scores, and writes the report.

        Returns:
            List of `Section`.

        Raises:
            ValueError, OSError: with one line that says what to change.
        """
        try:
            return self._run()
        finally:
            self.close()

    def close(self) -> None:
        """Gives the output folder free; `run` does so at its end."""
        self._claim.close()

    def _claim_output(self):
        self.evaluation.check_output()
        os.makedirs(self.output, exist_ok=True)
        self._claim.enter_context(only_process(self.output))
        self.evaluation.check_output()  # another process may have begun meanwhile
        remove_partial(self.output)
        write_json(os.path.join(self.output, SETTINGS), self.evaluation.description())

    def _run(self):
        sections, results = [], {}
        for name, protocol in self.protocols.items():
            found = [one for system in self.systems for one in self._test(system, protocol)]
            section = Section(
                name=name,
                title=protocol.title,
                facts=protocol.facts,
                how=protocol.how,
                runs=[one.run for one in found],
                comparisons=protocol.compare(found) if protocol.of_pairs else [],
                tables=self._members(protocol),
            )
            sections.append(section)
            results[name] = [as_json(one) for one in found]
            if protocol.of_pairs:
                write_scores(os.path.join(self.output, f"{name}_scores.csv"), protocol, found)
        command = typed_command()
        text, page = write_report(self.output, sections, results, command, self._facts())
        print(text)
        print(f"The report with plots and the hardest pairs is {page}.")
        return sections

    def _test(self, system, protocol):
        """What a protocol finds of a system with each scorer, a list of `Found`."""
        faces = self._faces.setdefault(id(protocol.source), Faces(protocol.source, "test faces"))
        features = system.features(self.cache, faces, protocol.test.images)
        return [
            protocol.run(features, (system.name, title), make, learned)
            for title, make, learned in self._scorers.of(
                system, protocol.learns, features.shape[1]
            )
        ]

    def _members(self, protocol):
        """Tables of every ensemble's networks one by one, with their mean (Sec. 5.5).

        For pairs only: that is what the paper gives, and searches take long.
        """
        found = {}
        if not protocol.of_pairs:
            return found
        for system in self.systems:
            if len(system.members) < 2:
                continue
            columns = {}
            for single in system.singles():
                for one in self._test(single, protocol):
                    name, number = next(iter(one.run.numbers.items()))
                    columns.setdefault(one.run.scorer, {})[single.name] = number
            rows = [["network", *(f"{name}, {title}" for title in columns)]]
            for single in system.singles():
                numbers = [column[single.name] for column in columns.values()]
                rows.append([single.name, *map(formatted_number, numbers)])
            means = (np.mean([n.value for n in c.values()]) for c in columns.values())
            rows.append(["mean", *(f"{mean:.4f}" for mean in means)])
            found[f"Networks of {system.name} one by one"] = rows
        return found

    def _facts(self):
        """(label, text) pairs on the whole evaluation."""
        evaluation = self.evaluation
        facts = []
        for system in self.systems:
            members = [
                f"{m.path} ({m.region.name}, {m.network.output_shape[-1]} features, "
                f"{m.key[:8]})"
                for m in system.members
            ]
            facts.append((system.name, "; ".join(members)))
        facts.append(("features", _FLIPS[evaluation.flip]))
        facts.append(("test faces", evaluation.data))
        if self.training is not None:
            source = self.training.source
            pca = f", {evaluation.components} principal components" * bool(evaluation.components)
            facts.append(
                (
                    "Joint Bayesian",
                    f"learned from {len(source):,} images of {len(source.identities):,} identities "
                    f"({evaluation.identities}) of {evaluation.train_data}{pca}",
                )
            )
        return facts
