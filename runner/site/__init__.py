"""The static site of a folder of problems: an index of all kernels, and a page for each.

Owns what is read for it and what stands on its pages. No server, nothing loaded from anywhere, and
no verdict of its own: what nobody judged or measured is said to be so.
"""

from runner.site.build import SiteOrder, build_site

__all__ = ["SiteOrder", "build_site"]
