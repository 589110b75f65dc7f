"""actinscope: classifiers for cells in fluorescence microscopy, honestly evaluated.

The work is done by the command line (``actinscope --help``); the rooms of this
package, in the order that data passes through them, are ``images``, ``study``,
``preprocess``, ``runtimes``, ``networks``, ``training``, ``bundle``, ``predict``,
``evidence``, ``report``, ``phantoms``, ``experiment``, ``paper`` and ``cli``.
"""

__version__ = "0.1.0"
