"""Synthetic actin images: drawn cells of three phenotypes, for demos and tests only.

Nothing here is measured. The phenotypes are drawn after what is known of filamentous
actin in three breast epithelial lines (``epithelial`` after MCF-10A, ``clustered``
after MCF-7, ``elongated`` after MDA-MB-231), and every file written says that it is
synthetic. Results on phantoms say nothing about real cells.
"""

from __future__ import annotations

from actinscope.phantoms.write import write_phantom_study

__all__ = [
    "write_phantom_study",
]
