"""Hook of mkdocs: the pages that lie outside of docs/, with links that work here and on a forge.

README.md is the site's first page. Links between README.md, docs/, CONTRIBUTING.md and the cards in
saved_models/ are written for the repository's folders; here they are made relative to the site's.
"""

import pathlib
import posixpath
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parent.parent
HOME = "index.md"
# Of the repository's root; beside them, every file that a page links to would do.
OUTSIDE = ["CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "saved_models/*/*.md"]
LINK = re.compile(r"(\]\()([^)#\s]+)")
IMAGE = re.compile(r'(<img[^>]* src=")([^"]+)')
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files, config):
    """Adds the pages outside of docs/."""
    files.append(File.generated(config, HOME, abs_src_path=str(ROOT / "README.md")))
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, **_):
    """Links from where the page lies in the repository become links from where it lies in the site."""
    site = page.file.src_uri
    folder = posixpath.dirname(repository_path(site))

    def link(match):
        before, target = match.groups()
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        there = site_path(posixpath.normpath(posixpath.join(folder, target)))
        return before + posixpath.relpath(there, posixpath.dirname(site) or ".")

    parts = FENCE.split(markdown)
    for i in range(0, len(parts), 2):
        # Figures are not broken at their ±.
        parts[i] = IMAGE.sub(link, LINK.sub(link, parts[i])).replace(" ± ", "\u00a0±\u00a0")
    return "".join(parts)


def repository_path(site):
    """Where a file of the site lies in the repository."""
    if site == HOME:
        return "README.md"
    return site if (ROOT / site).exists() else f"docs/{site}"


def site_path(name):
    """Where a file of the repository lies in the site."""
    return HOME if name == "README.md" else name.removeprefix("docs/")
