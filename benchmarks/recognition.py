"""Who is named, probably named, and unknown: people of a gallery and strangers, at both presets.

    python benchmarks/recognition.py --data=DIR [--model=saved_models/face] [--seeds=5]
        [--test_data=DIR] [--train_data=DIR --scorer=joint_bayesian]

DIR has people that the network was not trained on. For each seed half of them calibrate, as
`sparseface recognize calibrate` does, and galleries are drawn from the other half, or from
--test_data: some people with some photographs each; other photographs of them, and of people who are
not in the gallery, are searched for. Prints tables in Markdown, each figure the mean over the seeds
and its standard deviation:

* what becomes of known faces and of strangers, beside what the best threshold could have given: the
  lowest score at which the strangers of the same galleries are named at no more than the preset's
  rate. It is known only afterwards (goal: at least 0.9 of its names at the preset album);
* the faces that are not named though their percentage is higher than that of one that is, of the same
  gallery (goal: none);
* the percentages against the share of faces that are of the person named;
* templates of several photographs, made in several ways, each at its own best threshold.
"""

import collections
import os

import numpy as np
from absl import app, flags

from pipelines.sources import open_faces
from pipelines.tables import markdown_table
from sparseface_tf.embedding.embedder import open_embedder
from sparseface_tf.embedding.embeddings import Faces, FeatureCache
from sparseface_tf.embedding.systems import System
from sparseface_tf.matching.cosine import Cosine
from sparseface_tf.matching.joint_bayesian import JointBayesian
from sparseface_tf.recognition.learning import calibrate
from sparseface_tf.recognition.scoring import COSINE, SCORERS, Scoring
from sparseface_tf.recognition.search import NAMED, PROBABLY, UNKNOWN, Rule, Search
from sparseface_tf.recognition.settings import PRESETS
from sparseface_tf.recognition.templates import Templates

MODEL = flags.DEFINE_string("model", os.path.join("saved_models", "face"), "The network.")
DATA = flags.DEFINE_string("data", "", "Faces of people that the network was not trained on.")
TEST = flags.DEFINE_string("test_data", "", "Faces to draw galleries from. Default: half of --data.")
TRAIN = flags.DEFINE_string("train_data", "", "Faces that Joint Bayesian learns from.")
SCORER = flags.DEFINE_enum("scorer", COSINE, SCORERS, "The scorer.")
SEEDS = flags.DEFINE_integer("seeds", 5, "Draws of people.", lower_bound=2)
CACHE = flags.DEFINE_string(
    "cache", "~/.cache/sparseface_tf/features", "Folder that keeps features."
)
# People of a gallery and photographs of each; None: 1, 2, 3, 5 and 8 in turn.
GALLERIES = ((1, 1), (5, 1), (5, 3), (5, 8), (20, None), (50, 3))
MIXED = (1, 2, 3, 5, 8)
PROBES, STRANGERS = 4, 200
# Searches for known faces that a seed gives for each kind of gallery, about.
KNOWN = 1200
BINS = (0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 1)
FUSED_FARS = (0.1, 0.01, 0.001)


def embedded(name):
    """Features (n, features) and labels (n,) of the faces of a source."""
    source = open_faces(name)
    system = System("", (open_embedder(MODEL.value),))
    cache = FeatureCache(os.path.expanduser(CACHE.value))
    features = system.features(cache, Faces(source, name), np.arange(len(source)))
    return features, np.asarray(source.labels)


class Draw:
    """A gallery and what is searched for in it: rows of features.

    Attributes:
        enrolled: list of arrays, the rows of each person of the gallery.
        known, person: arrays (n,), rows of other faces of these people, and whose each is.
        strangers: array (m,), rows of faces of others.
    """

    def __init__(self, rows, size, photographs, generator):
        counts = [photographs or MIXED[k % len(MIXED)] for k in range(size)]
        people = generator.permutation([*rows])
        chosen = []
        for count in counts:
            taken = {person for person, _ in chosen}
            person = next(p for p in people if p not in taken and len(rows[p]) > count)
            chosen.append((person, generator.permutation(rows[person])))
        self.enrolled = [shuffled[:n] for n, (_, shuffled) in zip(counts, chosen)]
        probes = [shuffled[n : n + PROBES] for n, (_, shuffled) in zip(counts, chosen)]
        self.known = np.concatenate(probes)
        self.person = np.repeat(np.arange(size), [*map(len, probes)])
        inside = {person for person, _ in chosen}
        others = [p for p in people if p not in inside][:STRANGERS]
        self.strangers = np.concatenate([generator.permutation(rows[p])[:PROBES] for p in others])

    def templates(self, features):
        names = np.repeat(np.arange(len(self.enrolled)), [*map(len, self.enrolled)])
        return Templates.of([*map(str, names)], features[np.concatenate(self.enrolled)])


def draws(features, labels, size, photographs, generator):
    """About `KNOWN` searches for known faces, as `Draw`s."""
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    rows = dict(enumerate(groups))
    for _ in range(-(-KNOWN // (size * PROBES))):
        yield Draw(rows, size, photographs, generator)


def searched(scoring, features, drawn, rule):
    """Matches of the known faces of some draws and of their strangers, and contradictions.

    Returns:
        known: list of (`Match`, whether the name is right).
        strangers: list of `Match`.
        contradictions: how many faces are not named though another one of the same gallery, with a
            lower probability, is.
    """
    known, strangers, contradictions = [], [], 0
    for draw in drawn:
        search = Search(scoring, draw.templates(features), rule)
        found = search(features[draw.known])
        others = search(features[draw.strangers])
        known += [(m, m.name == str(p)) for m, p in zip(found, draw.person)]
        strangers += others
        named = [m.probability for m in found + others if m.grade == NAMED]
        least = min(named, default=np.inf)
        contradictions += sum(m.grade != NAMED and m.probability > least for m in found + others)
    return known, strangers, contradictions


def best_share(scores, right, impostors, far):
    """Share of known faces that the best threshold names rightly, at no more than a rate."""
    allowed = int(far * len(impostors))
    threshold = np.sort(impostors)[::-1][allowed]  # which itself is not accepted
    return float(np.mean((np.asarray(scores) > threshold) & np.asarray(right)))


def shares(known, strangers, far):
    """The figures of a row of the first table, a dict."""
    found = {}
    for grade in (NAMED, PROBABLY):
        found[f"{grade}, rightly"] = np.mean([m.grade == grade and right for m, right in known])
        found[f"{grade}, wrongly"] = np.mean([m.grade == grade and not right for m, right in known])
    found["unknown"] = np.mean([m.grade == UNKNOWN for m, _ in known])
    for grade in (NAMED, PROBABLY):
        found[f"strangers {grade}"] = np.mean([m.grade == grade for m in strangers])
    scores, right = [m.probability for m, _ in known], [right for _, right in known]
    best = best_share(scores, right, [m.probability for m in strangers], far)
    found["best threshold"] = best
    found["of it"] = found[f"{NAMED}, rightly"] / best if best else np.nan
    return found


def grades_table(results):
    """Markdown, from {(preset, size, photographs): list of `shares`, one a seed}."""
    first = next(iter(results.values()))[0]
    rows = [["preset", "people", "photographs of each", *first]]
    for (preset, size, photographs), found in results.items():
        figures = [spread([one[name] for one in found]) for name in first]
        rows.append([preset, str(size), str(photographs or "1 to 8"), *figures])
    return markdown_table(rows)


def spread(values, digits=3):
    """Mean and standard deviation, as text."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def reliability_table(pairs):
    """Markdown, from {(size, photographs): (probability, whether right, weight), arrays}."""
    rows = [["people", "photographs", *(f"{100 * a:g}–{100 * b:g} %" for a, b in zip(BINS, BINS[1:]))]]
    for (size, photographs), (probability, right, weight) in pairs.items():
        cells = []
        for low, high in zip(BINS, BINS[1:]):
            inside = (probability >= low) & (probability < high)
            if inside.sum() < 30:
                cells.append("")
                continue
            said = np.average(probability[inside], weights=weight[inside])
            true = np.average(right[inside], weights=weight[inside])
            cells.append(f"{said:.3f}: {true:.3f}")
        rows.append([str(size), str(photographs or "1 to 8"), *cells])
    return markdown_table(rows)


def fusions(scorer, features, draw):
    """Scores of known faces and strangers with each person, by ways to use the photographs.

    Returns:
        Dict from the way to a pair of arrays (faces, people).
    """
    rows = (draw.known, draw.strangers)
    template = draw.templates(features).features.astype(features.dtype)
    unit = Cosine().transform(features)
    of_unit = np.stack([unit[one].mean(0) for one in draw.enrolled])
    found = {
        "mean of features": [scorer.score_matrix(features[r], template) for r in rows],
        "mean of unit features": [scorer.score_matrix(features[r], of_unit) for r in rows],
    }
    single = [
        np.stack([scorer.score_matrix(features[r], features[one]) for one in draw.enrolled])
        for r in rows
    ]
    found["mean of scores"] = [part.mean(2).T for part in single]
    found["highest score"] = [part.max(2).T for part in single]
    return found


def fusion_table(scorer, data, generators):
    """Markdown: share of known faces rightly named by each way, at its own best thresholds."""
    rows = [["people", "photographs", "way", *(f"FAR {far:g}" for far in FUSED_FARS)]]
    for size, photographs in ((5, 3), (5, 8), (50, 3)):
        found = collections.defaultdict(list)
        for (features, labels), generator in zip(data, generators):
            scores = collections.defaultdict(list)
            for draw in draws(features, labels, size, photographs, generator):
                for way, (known, strangers) in fusions(scorer, features, draw).items():
                    right = known.argmax(1) == draw.person
                    scores[way].append((known.max(1), right, strangers.max(1)))
            for way, parts in scores.items():
                known, right, strangers = map(np.concatenate, zip(*parts))
                found[way].append([best_share(known, right, strangers, far) for far in FUSED_FARS])
        for way, of_seeds in found.items():
            figures = [spread(one) for one in np.transpose(of_seeds)]
            rows.append([str(size), str(photographs), way, *figures])
    return markdown_table(rows)


def halves(features, labels, seed):
    """Two parts of faces, of half of the people each: pairs of features and labels from 0."""
    people = np.random.default_rng([seed, 1]).permutation(int(labels.max()) + 1)
    for part in np.split(people, [len(people) // 2]):
        inside = np.isin(labels, part)
        yield features[inside], np.unique(labels[inside], return_inverse=True)[1]


def main(argv):
    if len(argv) > 1 or not DATA.value:
        raise app.UsageError("give --data=DIR, and flags only")
    features, labels = embedded(DATA.value)
    test = embedded(TEST.value) if TEST.value else None
    scorer = Cosine()
    if SCORER.value != COSINE:
        known, who = embedded(TRAIN.value)
        scorer = JointBayesian(random_state=0).fit(known, who)
    results, said, contradictions, data = collections.defaultdict(list), {}, 0, []
    for seed in range(SEEDS.value):
        calibrating, rest = halves(features, labels, seed)
        scoring = Scoring(scorer, calibrate(scorer, *calibrating, seed))
        data.append(test or rest)
        generator = np.random.default_rng([seed, 2])
        for size, photographs in GALLERIES:
            drawn = [*draws(*data[-1], size, photographs, generator)]
            for preset, far in PRESETS.items():
                known, strangers, contrary = searched(scoring, data[-1][0], drawn, Rule(far))
                results[preset, size, photographs].append(shares(known, strangers, far))
                contradictions += contrary
            said.setdefault((size, photographs), []).append(_said(known, strangers))
    print(f"{MODEL.value}, {SCORER.value}, {SEEDS.value} draws of people; ± is the standard deviation\n")
    print(grades_table(dict(sorted(results.items(), key=lambda item: [*PRESETS].index(item[0][0])))))
    print(f"\nNot named with a higher percentage than a named face of the gallery: {contradictions}\n")
    joined = {key: [*map(np.concatenate, zip(*parts))] for key, parts in said.items()}
    print("Percentage that is said: share that is right, one half strangers\n")
    print(reliability_table(joined))
    print("\nRightly named, each at its own best threshold\n")
    generators = [np.random.default_rng([seed, 3]) for seed in range(SEEDS.value)]
    print(fusion_table(scorer, data, generators))


def _said(known, strangers):
    """(probability, whether right, weight), arrays: known faces and strangers weigh the same."""
    matches = [m for m, _ in known] + strangers
    right = np.array([right for _, right in known] + [False] * len(strangers))
    weight = np.repeat([0.5 / len(known), 0.5 / len(strangers)], [len(known), len(strangers)])
    return np.array([m.probability for m in matches]), right, weight


if __name__ == "__main__":
    app.run(main)
