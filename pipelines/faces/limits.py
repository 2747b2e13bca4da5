"""Which files are images, and what is too much: pixels of an image, changes of a training image."""

# How the names of files that `images.decode` reads end, those that few cameras and programs give, too.
EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp"),
    *(".png", ".apng", ".bmp", ".dib", ".gif", ".webp"),
)

# Images of more are refused before anything is allocated: a file of some kilobytes may claim to be of
# gigabytes. The largest of ordinary cameras have 61 million.
MAX_PIXELS = 1 << 26

# Beyond these a face is no face any more, or the number was meant in another unit.
LIMITS = {
    "jitter": 0.5,
    "rotation": 180.0,
    "scaling": 1.0,
    "shift": 0.5,
    "brightness": 1.0,
    "contrast": 4.0,
    "blur": 10.0,
    "occlusion": 0.9,
}


def check_limits(changes: object) -> None:
    """Looks whether changes of training images are within their limits.

    Args:
        changes: an object with the attributes of `LIMITS`, such as an `Augmentation`.

    Raises:
        ValueError: for the first one that is not, NaN included, with its name in front.
    """
    for name, most in LIMITS.items():
        value = getattr(changes, name)
        if not 0 <= value <= most:
            raise ValueError(f"{name} must be in [0, {most:g}], got {value:g}.")
