"""Labeled Faces in the Wild, as scikit-learn fetches and keeps it."""

import os
import sys
import tarfile

from absl import logging

from pipelines.sources.folder import FolderFaces

# Where the landmarks are in LFW's images of 250 x 250 pixels: the means over what MTCNN found in
# all 13,233 images of the deep-funneled set. There they vary by 2.4 (eyes, y) to 6.0 (nose, x)
# pixels, and crops of 112 x 96 made with the means have the face 2.6 pixels off on average; 14.7 if
# the central part is taken. The funneled set is aligned to about the same position by another
# method; its own means were not measured.
MEAN_LANDMARKS = (
    (104.3, 112.5),
    (145.7, 111.6),
    (125.2, 136.5),
    (107.5, 158.1),
    (144.2, 157.3),
)


class LFWFaces(FolderFaces):
    """LFW in scikit-learn's cache, fetched there if it is missing.

    Faces take up the central part of LFW's images only. Without a table of landmarks, all are cut
    out at LFW's mean landmarks.

    Args:
        data_home: scikit-learn's folder of data sets; default: the environment variable
            SCIKIT_LEARN_DATA, or ~/scikit_learn_data.
        funneled: the images aligned by funneling, not the original ones, whose faces a detector
            has centred.
        landmarks: table of landmarks (see `FolderFaces`), relative to the folder of the images.
        download_if_missing: False reads what is there and never asks the network.

    Attributes:
        pairs: dict from scikit-learn's names of the lists to their paths: "10_folds" is View 2,
            "train" and "test" are View 1.

    Raises:
        OSError: if the set is not there, not complete, or cannot be fetched.
        ValueError: if the table of landmarks is malformed.
    """

    def __init__(
        self,
        data_home: str | os.PathLike | None = None,
        *,
        funneled: bool = True,
        landmarks: str | None = "landmarks.csv",
        download_if_missing: bool = True,
    ) -> None:
        # It takes a second, and few runs read LFW.
        from sklearn.datasets import fetch_lfw_people, get_data_home  # noqa: PLC0415

        home = os.path.join(get_data_home(data_home), "lfw_home")
        folder = os.path.join(home, "lfw_funneled" if funneled else "lfw")
        self.pairs = {
            "10_folds": os.path.join(home, "pairs.txt"),
            "train": os.path.join(home, "pairsDevTrain.txt"),
            "test": os.path.join(home, "pairsDevTest.txt"),
        }
        # The fetcher writes into its cache even if all is there; this may be a shared one.
        if not all(map(os.path.exists, [folder, *self.pairs.values()])):
            logging.info("Fetching LFW, about 200 MB, into %s.", home)
            try:
                # When the files are there it would go on to decode all images into one array,
                # which nobody needs; as no one has that many images, it stops with a ValueError.
                fetch_lfw_people(
                    data_home=data_home,
                    funneled=funneled,
                    min_faces_per_person=sys.maxsize,
                    download_if_missing=download_if_missing,
                )
            except ValueError:
                pass
            except (OSError, EOFError, tarfile.TarError) as error:
                reason = " ".join(str(error).split()).rstrip(".")
                raise OSError(
                    f"LFW is not complete in {home} and could not be fetched ({reason}): connect "
                    f"to the network, or put {os.path.basename(folder)}/ and the lists of pairs "
                    "there."
                ) from None
        archive = os.path.join(home, "lfw-funneled.tgz" if funneled else "lfw.tgz")
        # The archive is removed once it is unpacked, and a folder that is there is not looked into.
        if os.path.exists(archive):
            raise OSError(
                f"{folder} was not unpacked to the end: remove that folder, and it is unpacked "
                f"anew from {archive}."
            )
        super().__init__(folder, landmarks=landmarks, nominal=MEAN_LANDMARKS)
