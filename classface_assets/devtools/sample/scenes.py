"""The surroundings of the people: backdrops, and the light and camera of one photo."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

STUDIO = ((96, 122, 158), (128, 132, 142), (150, 134, 116), (92, 128, 118), (142, 118, 136), (84, 98, 120))


def studio(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A mottled portrait backdrop, lit in the middle."""
    w, h = size
    y, x = np.mgrid[0:h, 0:w]
    far = np.hypot((x - w * rng.uniform(0.35, 0.65)) / w, (y - h * 0.4) / h)
    light = 1.28 - 0.75 * far + 0.1 * _clouds(size, 5, rng)
    colour = np.array(STUDIO[rng.integers(len(STUDIO))])
    return Image.fromarray((light[..., None] * colour).clip(0, 255).astype(np.uint8))


def classroom(size: tuple[int, int], rng: np.random.Generator, text: str) -> Image.Image:
    """A wall with a chalkboard that says `text`."""
    w, h = size
    wall = np.array((214, 204, 184)) + rng.integers(-14, 14, 3)
    light = 1 - 0.22 * np.linspace(0, 1, h)[:, None] + 0.03 * _clouds(size, 3, rng)
    room = Image.fromarray((light[..., None] * wall).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(room)
    frame, edge = (int(w * 0.1), int(h * 0.06), int(w * 0.9), int(h * 0.72)), max(4, w // 110)
    draw.rectangle(frame, fill=(46, 78, 66), outline=(132, 96, 60), width=edge)
    font = ImageFont.load_default(h * 0.055)
    draw.text((w / 2, frame[1] + h * 0.065), text, font=font, fill=(198, 208, 200), anchor="mm")
    return room.filter(ImageFilter.GaussianBlur(1.6))


def schoolyard(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Sky, an out-of-focus hedge and a lawn."""
    w, h = size
    down = np.linspace(0, 1, h)[:, None, None]
    picture = np.array((142, 180, 222)) * (1 - down) + np.array((226, 236, 242)) * down
    picture = np.broadcast_to(picture, (h, w, 3)).copy()
    line = (h * (0.3 + 0.03 * _clouds((w, 8), 6, rng)[0])).astype(int)
    rows = np.arange(h)[:, None]
    hedge, lawn = rows > line[None, :], rows > int(h * 0.74)
    leaves = (1 + 0.4 * _clouds(size, 26, rng) + 0.2 * _clouds(size, 60, rng))[..., None]
    picture[hedge] = (leaves * np.array((82, 118, 66)))[hedge]
    picture = np.where(lawn[..., None], (0.75 + 0.25 * leaves) * np.array((122, 150, 84)), picture)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(w / 220))


def _clouds(size: tuple[int, int], cells: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of about -1..1, (h, w), with `cells` bumps across."""
    small = rng.normal(size=(max(2, cells * size[1] // size[0]), cells)).clip(-2, 2).astype(np.float32) / 2
    return np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))


def relight(picture: Image.Image, rng: np.random.Generator, strength: float = 1.0) -> Image.Image:
    """Change brightness, contrast and white balance at random."""
    brightness, contrast = 1 + strength * rng.uniform(-0.14, 0.12), 1 + strength * rng.uniform(-0.14, 0.1)
    tint = 1 + strength * rng.uniform(-0.06, 0.06, 3)
    pixels = (np.asarray(picture, dtype=np.float32) - 128) * contrast + 128
    return Image.fromarray((pixels * (brightness * tint)).clip(0, 255).astype(np.uint8))


def camera(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """One camera's view: a mild blur on some photos, a little sensor noise on all."""
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.0)))
    noise = rng.normal(0, rng.uniform(1, 4), (picture.height, picture.width, 1)).astype(np.float32)
    return relight(Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8)), rng)
