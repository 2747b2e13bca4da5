"""YouTube Faces."""

from pipelines.sources.folder import FolderFaces
from sparseface_tf.evaluation import pairs, ytf
from sparseface_tf.evaluation.protocols.pair_protocol import PairProtocol, pair_facts


class YouTubeFaces(PairProtocol):
    """Pairs of videos."""

    title = "YouTube Faces"
    how = (
        "The score of two videos is the mean of the scores of all pairs of a frame of one and a "
        f"frame of the other. {pairs.HOW}"
    )

    def __init__(self, place):
        self.source = FolderFaces(place.data, videos=True)
        path = place.list("splits.txt", "ytf/splits.txt")
        self.test = ytf.read_splits(path, self.source, place.allow_missing)
        self.facts = [
            *pair_facts(self.test, "videos"),
            f"{len(self.test.images):,} frames of {len(self.test.videos):,} videos.",
        ]

    def scores(self, features, scorer, title):
        return ytf.score_videos(features, self.test, scorer, title)

    def pair_names(self):
        return [tuple(self.test.videos[i] for i in pair) for pair in self.test.pairs]

    def picture(self, i):
        # The frame in the middle.
        return int(self.test.images[(self.test.starts[i] + self.test.starts[i + 1]) // 2])
