"""Regions of a face: what part of the aligned face a network sees.

The paper trains 25 networks on "the same 25 face regions as used in" DeepID2, "in different scales,
positions, and color channels" (Sec. 5.5), which were published as a picture only. `regions.csv`
has 25 chosen by the rules that DeepID and DeepID2 state: global views and views centred on five
landmarks, each at several scales, in colour or in grey, and patches at varied positions; each
row says what it follows. A table of the same columns can take its place:

    name      what the region is called on the command line.
    centre    "face" for the centre of the aligned face, or landmarks joined by "+", whose mean it
              is: left_eye, right_eye, nose, mouth_left, mouth_right (left as the viewer sees it).
    dx, dy    how far from there the region's centre is, in pixels of an aligned face of 112 x 96.
    scale     width of the region, in widths of that aligned face.
    shape     "rectangle" (112 x 96 pixels) or "square" (96 x 96).
    channels  "colour" or "grey".
    source    where the choice comes from.
"""

import csv
import dataclasses
import os

from pipelines.faces.landmarks import LANDMARKS
from pipelines.files import open_text

TABLE = os.path.join(os.path.dirname(__file__), "regions.csv")
SHAPES = {"rectangle": (112, 96), "square": (96, 96)}
CHANNELS = {"colour": 3, "grey": 1}
MIRRORED = {
    "left_eye": "right_eye",
    "right_eye": "left_eye",
    "nose": "nose",
    "mouth_left": "mouth_right",
    "mouth_right": "mouth_left",
}


@dataclasses.dataclass(frozen=True)
class Region:
    """A part of the aligned face, see the columns of the table above.

    Attributes:
        landmarks: names of those whose mean is the centre; empty for that of the aligned face.
        offset: x and y of the region's centre from there, in pixels of the aligned face.
        height, width: size of the crop in pixels.
        channels: 3 or 1.
    """

    name: str
    landmarks: tuple[str, ...] = ()
    offset: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    height: int = 112
    width: int = 96
    channels: int = 3
    source: str = ""

    def mirrored(self) -> "Region":
        """The region that a mirrored image shows where the image shows this one."""
        return dataclasses.replace(
            self,
            landmarks=_sorted(MIRRORED[name] for name in self.landmarks),
            offset=(-self.offset[0], self.offset[1]),
        )

    def scaled(self, width: int) -> "Region":
        """The same region as a crop of another width, in pixels."""
        return dataclasses.replace(self, height=round(self.height * width / self.width), width=width)


WHOLE_FACE = Region("face")


def read_regions(path: str | os.PathLike = TABLE) -> dict[str, Region]:
    """Reads a table of regions.

    Args:
        path: CSV file with the columns named above; see `pipelines.files.open_text`.

    Returns:
        Dict from the region's name to the `Region`, in the order of the table.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a table that makes no sense, with the number of the line.
    """
    columns = ["name", "centre", "dx", "dy", "scale", "shape", "channels"]
    regions: dict[str, Region] = {}
    with open_text(path, "table of regions") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        try:
            missing = [name for name in columns if name not in (rows.fieldnames or ())]
            if missing:
                raise ValueError(f"no column '{missing[0]}'; needed are {', '.join(columns)}")
            for row in rows:
                if None in [row[name] for name in columns]:
                    raise ValueError(f"the row has fewer fields than the {len(columns)} needed")
                region = _region({name: text and str(text).strip() for name, text in row.items()})
                if region.name in regions:
                    raise ValueError(f"region '{region.name}' stands there twice")
                regions[region.name] = region
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}, line {max(rows.line_num, 1)}: {error}.") from None
    if not regions:
        raise ValueError(f"{path} has no region: give it a row for each.")
    return regions


def _region(row):
    """A row of the table; ValueError says what is wrong with it."""
    if not row["name"] or set(row["name"]) & set("/\\, "):
        raise ValueError(f"'{row['name']}' is no name: it names a folder and takes no blank or comma")
    landmarks = [] if row["centre"] == "face" else row["centre"].split("+")
    for landmark in landmarks:
        if landmark not in LANDMARKS:
            raise ValueError(
                f"unknown landmark '{landmark}'; give face, or some of {', '.join(LANDMARKS)} "
                "joined by +"
            )
    for column, known in (("shape", SHAPES), ("channels", CHANNELS)):
        if row[column] not in known:
            raise ValueError(f"{column} must be {' or '.join(known)}, got '{row[column]}'")
    try:
        dx, dy, scale = (float(row[name]) for name in ("dx", "dy", "scale"))
    except ValueError:
        numbers = ", ".join(row[name] for name in ("dx", "dy", "scale"))
        raise ValueError(f"dx, dy and scale must be numbers, got {numbers}") from None
    if not 0.1 <= scale <= 4 or not max(abs(dx), abs(dy)) <= 112:
        raise ValueError(
            f"scale {scale:g} with offset ({dx:g}, {dy:g}) leaves the face: scale goes from 0.1 to "
            "4, dx and dy from -112 to 112"
        )
    height, width = SHAPES[row["shape"]]
    return Region(
        row["name"],
        _sorted(landmarks),
        (dx, dy),
        scale,
        height,
        width,
        CHANNELS[row["channels"]],
        row.get("source") or "",
    )


def _sorted(landmarks):
    return tuple(sorted(landmarks, key=LANDMARKS.index))
