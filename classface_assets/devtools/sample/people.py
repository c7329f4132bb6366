"""The seven people of the sample: the pictures in installed packages that show them, their faces and outlines.

The numbers were measured once, by detectors and a segmentation of the pictures, and checked by eye. The pictures are
read where pip installed them; none is part of this project.
"""

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageEnhance

from classface_assets.core.errors import UserError

# picture -> (importable package, path inside it, what pip calls it, how much of its colour is kept)
SOURCES = {
    "group": ("insightface", "data/images/t1.jpg", "insightface", 0.68),
    "single": ("skimage", "data/astronaut.png", "scikit-image", 0.95),
}


class SampleError(UserError):
    """The sample cannot be composed; the message says what to do."""


@dataclass(frozen=True)
class Person:
    """A face box (x, y, w, h), the middle of the collar (x, y) and the outline of head and neck, in source pixels."""

    name: str
    source: str
    face: tuple[float, float, float, float]
    collar: tuple[int, int]
    outline: tuple[tuple[int, int], ...]

    @property
    def size(self) -> float:
        """The height of a face in pixels, evened out between faces seen from the front and from the side."""
        return 1.16 * math.sqrt(self.face[2] * self.face[3])


def load_sources() -> dict[str, Image.Image]:
    """Read the pictures of `SOURCES` from the installed packages; SampleError where one is missing."""
    pictures = {}
    for source, (module, inside, package, colour) in SOURCES.items():
        picture = Image.open(_locate(module, inside, package)).convert("RGB")
        pictures[source] = ImageEnhance.Color(picture).enhance(colour)
    return pictures


def _locate(module: str, inside: str, package: str) -> Path:
    spec = importlib.util.find_spec(module)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / inside).is_file():
            return path
    raise SampleError(
        f"The sample needs {inside}, which comes with the package {package} and is not there: "
        f"run `pip install --force-reinstall --no-deps {package}`."
    )


# fmt: off
PEOPLE = (
    Person("Ana", "group", (60, 265, 107, 130), (108, 436), (
        (79, 237), (66, 246), (54, 259), (44, 272), (36, 286), (28, 300), (22, 318), (22, 400), (25, 432), (29, 479),
        (44, 488), (65, 483), (84, 465), (100, 454), (114, 454), (122, 440), (127, 424), (140, 410), (164, 392),
        (187, 385), (182, 346), (170, 303), (160, 284), (146, 265), (121, 247), (105, 241), (92, 236))),
    Person("Bea", "group", (270, 149, 101, 116), (372, 284), (
        (310, 105), (301, 111), (289, 115), (273, 132), (269, 139), (266, 150), (266, 172), (278, 190), (281, 206),
        (291, 220), (299, 239), (310, 252), (323, 265), (339, 270), (344, 294), (358, 304), (384, 299), (404, 281),
        (402, 257), (400, 243), (404, 230), (400, 216), (404, 204), (396, 180), (395, 166), (394, 149), (406, 139),
        (406, 133), (393, 130), (388, 122), (379, 119), (374, 113), (366, 109), (345, 105), (323, 103))),
    Person("Ben", "group", (465, 267, 108, 149), (524, 425), (
        (502, 221), (479, 234), (474, 249), (467, 263), (468, 297), (468, 308), (464, 333), (466, 340), (467, 360),
        (475, 388), (484, 402), (500, 418), (516, 424), (528, 421), (540, 404), (552, 384), (562, 366), (578, 360),
        (590, 345), (591, 322), (605, 298), (606, 270), (601, 256), (593, 247), (591, 240), (580, 231), (559, 232),
        (536, 226), (521, 223), (513, 225))),
    Person("Dan", "group", (745, 342, 100, 139), (806, 473), (
        (809, 293), (790, 296), (778, 304), (761, 314), (753, 318), (751, 325), (752, 336), (750, 358), (751, 399),
        (747, 408), (748, 420), (754, 430), (763, 448), (774, 468), (785, 480), (799, 487), (822, 474), (839, 450),
        (849, 426), (858, 417), (866, 407), (869, 395), (867, 373), (873, 341), (867, 329), (863, 320), (852, 309),
        (838, 299), (824, 295))),
    Person("Max", "group", (903, 57, 110, 148), (1024, 222), (
        (950, 8), (931, 20), (923, 22), (910, 35), (902, 39), (897, 44), (883, 47), (881, 50), (888, 60), (895, 64),
        (905, 76), (910, 103), (909, 111), (919, 124), (921, 140), (920, 150), (929, 161), (930, 167), (938, 180),
        (944, 185), (950, 197), (965, 205), (984, 203), (1000, 211), (1043, 259), (1046, 260), (1057, 225), (1058, 197),
        (1060, 180), (1057, 155), (1053, 132), (1057, 121), (1057, 109), (1054, 91), (1053, 67), (1048, 50), (1034, 27),
        (1023, 17), (1012, 9), (985, 3), (971, 4))),
    Person("Lia", "group", (1131, 269, 97, 131), (1186, 452), (
        (1173, 240), (1156, 250), (1143, 265), (1135, 282), (1130, 300), (1126, 323), (1126, 389), (1128, 412),
        (1141, 424), (1149, 440), (1166, 472), (1182, 490), (1188, 490), (1204, 472), (1216, 447), (1222, 429),
        (1230, 427), (1246, 429), (1261, 416), (1264, 402), (1264, 355), (1260, 340), (1257, 301), (1244, 271),
        (1229, 257), (1210, 246), (1192, 239))),
    Person("Eva", "single", (181, 57, 89, 121), (226, 184), (
        (235, 16), (228, 16), (199, 25), (188, 34), (170, 46), (159, 58), (154, 69), (156, 102), (170, 117), (176, 128),
        (182, 133), (184, 142), (192, 162), (203, 175), (224, 182), (246, 171), (258, 156), (267, 138), (275, 133),
        (292, 114), (299, 92), (298, 74), (293, 56), (284, 41), (272, 30), (252, 20))),
)
# fmt: on
