"""What a drawn face consists of.

Lengths are in half head heights: the crown of an adult's head is at y = -1, the chin at y = 1, x = 0 is the
middle. Shares and strengths run from 0 to 1 unless said otherwise; colours are red, green, blue from 0 to 255.
"""

from __future__ import annotations

import dataclasses

Colour = tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Person:
    """Who is drawn: the truth that the face hints at and from which the labels come."""

    age: float  # years, 1-100
    female: bool
    smiling: bool


@dataclasses.dataclass(frozen=True)
class Head:
    skin: Colour
    width: float  # half width
    chin: float  # y of the chin
    jaw: float  # exponent of the lower outline: under 2 pointed, 2 round, over 2 square
    jowl: float  # sagging of the cheeks over the jaw
    neck: float  # half width
    shoulders: float  # half width
    ear: float  # half height
    earrings: bool
    blush: float
    nose_y: float
    nose: float  # half width
    nose_length: float


@dataclasses.dataclass(frozen=True)
class Eyes:
    x: float
    y: float
    size: float  # half width
    opening: float  # half height as a share of the half width
    droop: float  # how far the outer corners hang
    gaze: float  # -1 left, 1 right
    iris: Colour
    lashes: float
    shadow: Colour | None  # make-up on the lids
    bags: float
    brow: Colour
    brow_width: float
    brow_gap: float
    brow_arch: float
    brow_tilt: float


@dataclasses.dataclass(frozen=True)
class Mouth:
    y: float
    width: float  # half width
    curve: float  # how far the corners are above the middle
    opening: float
    teeth: bool
    upper: float  # thickness of the lips
    lower: float
    lips: Colour
    cheeks: float  # how far the cheeks are raised


@dataclasses.dataclass(frozen=True)
class Marks:
    """What time and mimicry leave on the skin: strengths of lines, and spots."""

    forehead: float
    frown: float
    crows_feet: float
    nasolabial: float
    marionette: float
    neck: float
    patches: float
    spots: int
    freckles: int


@dataclasses.dataclass(frozen=True)
class Hair:
    colour: Colour
    grey: float  # share of grey strands
    style: str  # bald, buzz, short, side, spiky, curly, afro, bob, long or bun
    volume: float
    length: float  # y of the lowest ends; 0 is ear level
    line: float  # y of the hairline
    recession: float  # of the temples and the crown; 1 is bald
    fringe: float
    parting: float  # x
    beard: str  # one of sample.BEARDS
    beard_strength: float
    beard_colour: Colour


@dataclasses.dataclass(frozen=True)
class Wear:
    clothes: Colour
    collar: str  # "round", "shirt" or "high"
    glasses: str  # "", "thin", "thick" or "dark"
    glasses_colour: Colour
    hat: str  # "", "cap", "beanie" or "brim"
    hat_colour: Colour


@dataclasses.dataclass(frozen=True)
class Scene:
    """Camera, light, background and the quality of the picture."""

    scale: float  # half head height as a share of the picture's half height
    shift_x: float
    shift_y: float
    roll: float  # radians
    yaw: float
    pitch: float
    background: str  # "gradient", "blobs" or "stripes"
    palette: tuple[Colour, Colour, Colour, Colour]
    light_x: float
    light_y: float
    light: float
    brightness: float
    contrast: float
    warmth: float
    blur: float  # pixels of a 64-pixel picture
    noise: float  # standard deviation
    grey: bool


@dataclasses.dataclass(frozen=True)
class Face:
    """All that `draw_face` needs; `grain` seeds what is too small to be told: strands, spots, noise."""

    person: Person
    head: Head
    eyes: Eyes
    mouth: Mouth
    marks: Marks
    hair: Hair
    wear: Wear
    scene: Scene
    grain: int
