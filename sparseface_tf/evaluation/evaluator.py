"""From trained networks to the numbers of the protocols: what evaluate.py does."""

import dataclasses
import functools
import os

import joblib
import numpy as np
from absl import logging

from pipelines.command_line import setting, typed_command
from pipelines.faces.names import MissingImages
from pipelines.files import read_json, write_atomically, write_json
from pipelines.inspection.checking import check_images
from pipelines.sources import open_faces
from pipelines.sources.subset import Subset
from sparseface_tf.embedding.embedder import held_out_by_run
from sparseface_tf.embedding.embeddings import Faces, FeatureCache
from sparseface_tf.embedding.systems import FLIPS, open_systems
from sparseface_tf.evaluation import plots, tables
from sparseface_tf.evaluation.page import write_page
from sparseface_tf.evaluation.protocols import PROTOCOLS, Place
from sparseface_tf.evaluation.section import Section
from sparseface_tf.matching.cosine import Cosine
from sparseface_tf.matching.joint_bayesian import JointBayesian

SCORERS = {"cosine": "cosine", "joint_bayesian": "Joint Bayesian"}
IDENTITIES = ("all", "training", "held_out")
REPORT = "report.json"


@dataclasses.dataclass
class Evaluation:
    """Settings of an evaluation; evaluate.py has a flag for each, with these texts."""

    # Systems
    model: list = setting(
        [],
        "A network to evaluate: a .keras file, or the folder of a stage or of a run (its last "
        "stage). Repeat it to compare several; NAME=PATH gives it a name.",
        repeated=True,
    )
    models: list = setting(
        [],
        "An ensemble: networks joined by commas, or a pattern such as 'runs/four/*/stage1', whose "
        "features are joined. Repeat it for several; NAME=A,B gives it a name.",
        repeated=True,
    )
    region: str = setting(
        "", "Region that the networks see. Default: that of the run that each lies in, or 'face'."
    )
    regions: str = setting("", "Table of the regions, CSV. Default: pipelines/regions.csv.")
    flip: str = setting(
        "average",
        "The feature of the mirrored face is averaged with the image's ('average'), put behind it "
        "('join') or not used ('none').",
    )

    # Protocols
    protocol: list = setting(["lfw"], f"What to test on: {', '.join(PROTOCOLS)}.")
    data: str = setting("", "Test faces, named as for train.py.")
    lists: str = setting("", "Folder of the published lists. Default: --data.")
    pairs: str = setting("", "List of pairs on --data, for --protocol=pairs.")
    allow_missing: bool = setting(
        False, "Go on without images that a list names and --data does not have; they are listed."
    )

    # Scores
    scorers: list = setting(
        [],
        "How features are compared: cosine, joint_bayesian. Default: cosine, and joint_bayesian "
        "where there is something to learn it from.",
    )
    train_data: str = setting("", "Faces to learn Joint Bayesian from, named as for train.py.")
    exclude: str = setting("", "File of names in --train_data to leave out.")
    identities: str = setting(
        "all",
        "Which identities of --train_data Joint Bayesian learns from: 'all', or 'training' or "
        "'held_out' as the run that the first model lies in divided them.",
    )
    components: int = setting(0, "Principal components kept for Joint Bayesian; 0: no PCA.")

    # Run
    output: str = setting("runs/evaluation", "Folder of the report.")
    cache: str = setting(
        "~/.cache/sparseface_tf/features", "Folder that keeps features for the next evaluation."
    )

    def check(self):
        """Raises ValueError, in one line, on the first setting that makes no sense."""
        if not self.model and not self.models:
            raise ValueError("No network: give --model=PATH, or --models=A,B for an ensemble.")
        if not self.data:
            raise ValueError("No test faces: give --data.")
        if not self.protocol:
            raise ValueError(f"No protocol: give --protocol, of {', '.join(PROTOCOLS)}.")
        for name, given, choices in (
            ("protocol", self.protocol, PROTOCOLS),
            ("scorers", self.scorers, SCORERS),
            ("flip", [self.flip], FLIPS),
            ("identities", [self.identities], IDENTITIES),
        ):
            for choice in given:
                if choice not in choices:
                    raise ValueError(f"--{name}={choice}: choose from {', '.join(choices)}.")
            if len(set(given)) < len(given):
                raise ValueError(f"--{name}={','.join(given)} has one twice.")
        if self.components < 0:
            raise ValueError(f"--components must be 0 or more, got {self.components}.")
        if "joint_bayesian" in self.scorers and not self.train_data:
            if not all(PROTOCOLS[name].learns for name in self.protocol):
                raise ValueError("joint_bayesian learns from faces: give --train_data.")
        if self.exclude and not self.train_data:
            raise ValueError("--exclude is of --train_data, which is not given.")

    def claim(self):
        """Makes the output folder this evaluation's own.

        One that never came to its report, because a list was missing, say, is no reason to stop.

        Raises:
            ValueError: if the report of another evaluation, or something else, is in the folder.
            OSError: if the folder cannot be made or written.
        """
        output = os.path.expanduser(self.output)
        os.makedirs(output, exist_ok=True)
        path = os.path.join(output, "evaluation.json")
        mine = {
            k: v for k, v in dataclasses.asdict(self).items() if k not in ("output", "cache")
        }
        if os.path.exists(os.path.join(output, REPORT)):
            theirs = read_json(path)
            for name in mine:
                if theirs.get(name) != mine[name]:
                    raise ValueError(
                        f"{self.output} holds an evaluation with other settings (--{name} was "
                        f"{theirs.get(name)!r}): choose another --output, or remove it."
                    )
        elif os.listdir(output) and not os.path.exists(path):
            raise ValueError(f"{self.output} is not empty and holds no evaluation: choose another.")
        write_json(path, mine)


class Evaluator:
    """One evaluation: `prepare` finds what a user may have got wrong, `run` does the work.

    Args:
        evaluation: an `Evaluation`.
    """

    def __init__(self, evaluation):
        self.evaluation = evaluation
        self.output = os.path.expanduser(evaluation.output)
        self.cache = FeatureCache(os.path.expanduser(evaluation.cache))

    def prepare(self):
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
        evaluation.claim()
        # Protocols on the same faces open them, and read their files, once.
        place = Place(
            evaluation.data,
            evaluation.lists,
            evaluation.pairs,
            evaluation.allow_missing,
            functools.cache(open_faces),
        )
        self.protocols = {}
        for name in evaluation.protocol:
            try:
                self.protocols[name] = PROTOCOLS[name](place)
            except MissingImages as error:
                path = self._list_missing(name, error.names)
                raise ValueError(
                    f"{str(error).rstrip('.')}, or go on without them by --allow_missing; they are "
                    f"listed in {path}."
                ) from None
            missing = self.protocols[name].test.missing
            if missing:
                path = self._list_missing(name, missing)
                logging.warning("%d images or videos are missing, see %s.", len(missing), path)
        self._faces = {}
        self.training = self._open_training() if evaluation.train_data else None

    def _list_missing(self, protocol, names):
        path = os.path.join(self.output, f"{protocol}_missing.txt")
        text = "".join(f"{name}\n" for name in names)
        write_atomically(path, lambda file: file.write(text.encode("utf-8")))
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
            held = np.isin([source.identities[i] for i in source.labels], held_out)
            wanted = held if evaluation.identities == "held_out" else ~held
            if not held.any() or not wanted.any():
                raise ValueError(
                    f"--identities={evaluation.identities}: the run held out {len(held_out)} "
                    f"identities, {evaluation.train_data} has {len(np.unique(source.labels[held]))} "
                    "of them: give the faces that the run was trained on."
                )
            source = Subset(source, np.flatnonzero(wanted))
        return Faces(source, "training faces")

    def run(self):
        """Embeds, scores, and writes the report.

        Returns:
            List of `Section`.

        Raises:
            ValueError, OSError: with one line that says what to change.
        """
        sections, results = [], {}
        for name, protocol in self.protocols.items():
            found = [
                protocol.run(self._features(system, protocol), (system.name, title), make, learned)
                for system in self.systems
                for title, make, learned in self._scorers(system, protocol)
            ]
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
            results[name] = [_as_json(one) for one in found]
            if protocol.of_pairs:
                self._write_scores(name, protocol, found)
        self._write(sections, results)
        return sections

    def _features(self, system, protocol):
        faces = self._faces.setdefault(id(protocol.source), Faces(protocol.source, "test faces"))
        return system.features(self.cache, faces, protocol.test.images)

    def _scorers(self, system, protocol):
        """(title, function that makes a scorer, whether it is learned) of each scorer."""
        wanted = self.evaluation.scorers or list(SCORERS)
        if "cosine" in wanted:
            yield SCORERS["cosine"], Cosine, True
        if "joint_bayesian" in wanted:
            if self.training is not None:
                scorer = self._joint_bayesian(system)
                yield SCORERS["joint_bayesian"], lambda: scorer, True
            elif protocol.learns:
                width = self._features(system, protocol).shape[1]
                make = functools.partial(self._new_joint_bayesian, width)
                yield SCORERS["joint_bayesian"], make, False

    def _new_joint_bayesian(self, width):
        """A `JointBayesian` for features of some length; PCA never asks for more than there is."""
        components = self.evaluation.components
        return JointBayesian(components if 0 < components < width else None, random_state=0)

    def _joint_bayesian(self, system):
        """`JointBayesian` of a system's features of the training faces, learned once."""
        source = self.training.source
        features = system.features(self.cache, self.training, np.arange(len(source)))
        scorer = self._new_joint_bayesian(features.shape[1])
        # Sorted parameters: the same key for the same scorer in every process.
        key = joblib.hash((features, source.labels, sorted(scorer.get_params().items())))
        path = os.path.join(self.cache.folder, f"joint_bayesian-{key}.npz")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return JointBayesian.from_arrays(arrays)
        except FileNotFoundError:
            pass
        except Exception as error:  # NumPy and zipfile raise all kinds
            logging.warning("%s is damaged and not used: %s", path, error)
        logging.info(
            "Learning Joint Bayesian of %s from %d images of %d identities.",
            system.name,
            *features.shape[:1],
            len(source.identities),
        )
        scorer.fit(features, source.labels)
        logging.info("%d iterations, converged: %s.", scorer.n_iter_, scorer.converged_)
        write_atomically(path, lambda file: np.savez(file, **scorer.to_arrays()))
        return scorer

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
                features = self._features(single, protocol)
                for title, make, learned in self._scorers(single, protocol):
                    run = protocol.run(features, (single.name, title), make, learned).run
                    name, number = next(iter(run.numbers.items()))
                    columns.setdefault(title, {})[single.name] = number
            rows = [["network", *(f"{name}, {title}" for title in columns)]]
            for single in system.singles():
                numbers = [column[single.name] for column in columns.values()]
                rows.append([single.name, *map(tables.formatted_number, numbers)])
            means = (np.mean([n.value for n in c.values()]) for c in columns.values())
            rows.append(["mean", *(f"{mean:.4f}" for mean in means)])
            found[f"Networks of {system.name} one by one"] = rows
        return found

    def _write_scores(self, name, protocol, found):
        """A CSV with the scores of all pairs by all runs."""
        test = protocol.test
        columns = ["first", "second", "same", "fold", *(one.run.name for one in found)]
        rows = zip(protocol.pair_names(), test.same, test.fold, *(one.scores for one in found))
        lines = [",".join(f'"{column}"' for column in columns)]
        for (a, b), same, fold, *scores in rows:
            values = ",".join(f"{score:.9g}" for score in scores)
            lines.append(f'"{a}","{b}",{int(same)},{fold},{values}')
        text = "\n".join(lines) + "\n"
        path = os.path.join(self.output, f"{name}_scores.csv")
        write_atomically(path, lambda file: file.write(text.encode("utf-8")))

    def _write(self, sections, results):
        command = typed_command()
        facts = self._facts()
        write_json(
            os.path.join(self.output, REPORT),
            {
                "command": command,
                "facts": dict(facts),
                "protocols": {
                    section.name: {
                        "title": section.title,
                        "facts": section.facts,
                        "how": section.how,
                        "runs": results[section.name],
                        "comparisons": [dataclasses.asdict(c) for c in section.comparisons],
                        "tables": section.tables,
                    }
                    for section in sections
                },
            },
        )
        text = tables.markdown_summary(sections)
        write_atomically(
            os.path.join(self.output, "report.md"), lambda file: file.write(text.encode("utf-8"))
        )
        plots.write_plots(self.output, sections)
        page = os.path.join(self.output, "report.html")
        write_page(
            page, sections, title="Evaluation of face recognition", command=command, facts=facts
        )
        print(text)
        print(f"The report with plots and the hardest pairs is {page}.")

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
        flips = {
            "average": "mean of the features of the image and of its mirror image",
            "join": "features of the image and of its mirror image side by side",
            "none": "the image's only",
        }
        facts.append(("features", flips[evaluation.flip]))
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


def _as_json(found):
    """What report.json holds of a run: every number, its interval, and how it was obtained."""
    result = found.result
    if not isinstance(result, dict):
        result = dataclasses.asdict(result)
    else:
        result = {name: dataclasses.asdict(part) for name, part in result.items()}
    run = found.run
    numbers = {name: dataclasses.asdict(number) for name, number in run.numbers.items()}
    return {"system": run.system, "scorer": run.scorer, "numbers": numbers, "result": result}
