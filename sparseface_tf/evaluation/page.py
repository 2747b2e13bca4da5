"""The report of an evaluation as one HTML file that needs no other."""

import base64
import functools
import io
import re
import xml.etree.ElementTree as ElementTree

import markupsafe
import matplotlib
import numpy as np
from PIL import Image

from pipelines.files import write_atomically
from sparseface_tf.evaluation import plots, tables

TEMPLATE = "page.html.j2"
_QUALITY = 85  # of the hard pairs' JPEGs
_LARGEST = 160  # pixels, of their longer side

_NUMERIC = re.compile(r"[-+−±<\[\](),.:·%e⁻⁰¹²³⁴⁵⁶⁷⁸⁹\d\s]*|n/a|[–—]")


def write_page(path, sections, *, title, command, facts):
    """Writes a report with numbers, plots and hard pairs.

    The file is complete in itself: neither fonts nor scripts nor pictures are loaded.

    Args:
        path: the HTML file; it is there wholly or not at all.
        sections: list of `Section`, at least one.
        title: of the page.
        command: what was called, a string.
        facts: list of (label, text) of the evaluation as a whole: models, data, settings.

    Raises:
        ValueError: if there is no section, or two have the same name.
        OSError: if the file cannot be written.
    """
    if not sections:
        raise ValueError("A report needs a section: evaluate at least one protocol.")
    look = plots.styles([run for section in sections for run in section.runs])
    shown = [
        {
            "id": name,
            "section": section,
            "numbers": tables.section_table(section),
            "figures": _figures(name, section, look),
            "comparisons": tables.comparison_rows(section.comparisons),
            "hardest": [(run.name, run.hardest) for run in section.runs if run.hardest],
        }
        for name, section in zip(plots.slugs(sections), sections)
    ]
    write_html(
        path,
        __package__,
        TEMPLATE,
        title=title,
        command=command,
        facts=facts,
        contents=[(part["id"], part["section"].title) for part in shown],
        sections=shown,
        summary=tables.summary_table(sections),
    )


def write_html(path, package, template, **content):
    """Writes a page in the look of all reports.

    Args:
        path: the HTML file; it is there wholly or not at all.
        package: name of the package that the template is in.
        template: name of one that extends base.html.j2.
        **content: what it is rendered with; base.html.j2 needs `title`, `command`, `facts`, a list
            of (label, text), and `contents`, a list of (id, text) of what the page links to.

    Raises:
        OSError: if the file cannot be written.
    """
    page = _environment(package).get_template(template).render(**content)
    # Names of files need not be valid Unicode.
    write_atomically(path, lambda file: file.write(page.encode("utf-8", "replace")))


@functools.cache
def _environment(package):
    """jinja2's environment of the templates in a package, which are compiled once."""
    # Not at the top: only pages need it.
    import jinja2  # noqa: PLC0415

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(name, "") for name in (package, __package__)]
        ),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(jpeg=jpeg_uri, score=_score, breakable=_breakable)
    environment.tests["numeric"] = lambda text: bool(_NUMERIC.fullmatch(text))
    return environment


def _figures(name, section, look):
    """A section's plots, a list of (kind, caption, SVG element)."""
    names = "; ".join(run.name for run in section.runs)
    return [
        (kind, caption, svg(figure, f"{name}-{kind}-", f"{section.title}. {caption} Of: {names}."))
        for kind, figure in plots.figures(section, look).items()
        for caption in [plots.FIGURES[kind][1]]
    ]


def svg(figure, prefix, label):
    """A figure as an SVG element to stand in a page among others.

    Args:
        figure: matplotlib figure.
        prefix: what all ids in it shall begin with.
        label: what is to be read out in place of the picture.

    Returns:
        The element, a `markupsafe.Markup`, with a viewBox and no size of its own.
    """
    file = io.BytesIO()
    # Letters as outlines look alike everywhere; the salt makes the same file of the same figure.
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": prefix}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            # The style would be that of the whole page.
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        # In HTML neither elements nor links need a namespace.
        element.tag = element.tag.rpartition("}")[2]
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            key = key.rpartition("}")[2]
            if key == "id":
                value = prefix + value
            elif key == "href" and value.startswith("#"):  # others hold pictures
                value = f"#{prefix}{value.removeprefix('#')}"
            element.set(key, value.replace("url(#", f"url(#{prefix}"))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", label)
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    text = ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
    return markupsafe.Markup(text)


def _score(score):
    return f"{score:.4g}".replace("-", "−")


def _breakable(name):
    """A file's name that may go on in a new line after a slash or an underscore."""
    return markupsafe.Markup(re.sub("([/_])", r"\1<wbr>", str(markupsafe.escape(name))))


def jpeg_uri(image):
    """An image, uint8 (height, width, 3), as a data URI, made smaller where it is large."""
    picture = Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
    picture.thumbnail((_LARGEST, _LARGEST))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
