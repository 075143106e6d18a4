"""OpenCV, or a sentence that says why it does not load and what to install.

Modules write ``from utils.vision.opencv import cv2``. On a bare server or container the plain
import fails with the name of a shared library; here that is turned into the package to install.
"""

_PACKAGES = {  # shared library: (Debian and Ubuntu, Fedora)
    "libGL.so": ("libgl1", "libglvnd-glx"),
    "libgthread-2.0.so": ("libglib2.0-0", "glib2"),
    "libglib-2.0.so": ("libglib2.0-0", "glib2"),
    "libSM.so": ("libsm6", "libSM"),
    "libICE.so": ("libice6", "libICE"),
    "libXext.so": ("libxext6", "libXext"),
    "libXrender.so": ("libxrender1", "libXrender"),
    "libX11.so": ("libx11-6", "libX11"),
    "libxcb.so": ("libxcb1", "libxcb"),
}
INSTALL = 'pip install "opencv-python>=4.14,<5"'


def explain_import_error(error: ImportError) -> str:
    """What to install when ``import cv2`` raised this error.

    >>> print(explain_import_error(ImportError("libGL.so.1: cannot open shared object file")))
    OpenCV needs the system library libGL.so, which is missing. Install it:
      Debian, Ubuntu: sudo apt-get install libgl1
      Fedora:         sudo dnf install libglvnd-glx
    or, on a machine without a screen, use OpenCV without windows:
      pip uninstall opencv-python; pip install "opencv-python-headless>=4.14,<5"
    """
    for library, (debian, fedora) in _PACKAGES.items():
        if library in str(error):
            return (
                f"OpenCV needs the system library {library}, which is missing. Install it:\n"
                f"  Debian, Ubuntu: sudo apt-get install {debian}\n"
                f"  Fedora:         sudo dnf install {fedora}\n"
                "or, on a machine without a screen, use OpenCV without windows:\n"
                '  pip uninstall opencv-python; pip install "opencv-python-headless>=4.14,<5"'
            )
    return f"OpenCV does not load ({error}). Install it: {INSTALL}"


try:
    import cv2
except ImportError as error:
    raise ImportError(explain_import_error(error)) from error


def cores() -> int:
    """How many cores the reading of faces may use: as many as OpenCV, which asks the system.

    A process that has a single one, beside others like it, says so by `cv2.setNumThreads`.
    """
    return cv2.getNumThreads()
