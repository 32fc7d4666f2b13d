"""How a drawn face is chosen: a person first, then cues that hint at age, gender and smile, each with its own noise."""

from __future__ import annotations

import math
from random import Random

from keras_mtl.data.drawing.face import Colour, Eyes, Face, Hair, Head, Marks, Mouth, Person, Scene, Wear
from keras_mtl.data.drawing.pen import mix, shade

BEARDS = ("", "stubble", "moustache", "goatee", "full")

AGE_NOISE, AGE_OUTLIERS, FLIPS = 3.0, 0.02, 0.05

_SKINS = (
    (255, 226, 204),
    (244, 205, 175),
    (229, 182, 146),
    (205, 152, 112),
    (168, 116, 80),
    (128, 84, 58),
    (84, 54, 40),
)
_HAIRS = ((22, 19, 20), (48, 33, 26), (84, 56, 38), (122, 84, 52), (148, 74, 40), (190, 142, 82), (222, 188, 128))
_IRISES = ((70, 44, 26), (104, 68, 36), (92, 110, 66), (88, 124, 150), (120, 140, 150))
_ELDERLY_GREY = (206, 206, 210)


def sample_person(rng: Random) -> Person:
    """Age from 1 to 100 years, widely spread; gender and smile even and independent of it and of each other."""
    age = 1.0 + 99.0 * rng.betavariate(1.25, 1.75)
    return Person(age, rng.random() < 0.5, rng.random() < 0.5)


def noisy_labels(person: Person, rng: Random) -> dict[str, float]:
    """Labels as a hasty annotator gives them: {"age": years, "gender": 1 = female, "smile": 1 = smiling}.

    Age is off by a Gaussian of 3 years and, once in 50 times, arbitrary; gender and smile are wrong once in
    20 times.
    """
    age = person.age + rng.gauss(0.0, AGE_NOISE)
    if rng.random() < AGE_OUTLIERS:
        age = rng.uniform(1.0, 100.0)
    gender = person.female ^ (rng.random() < FLIPS)
    smile = person.smiling ^ (rng.random() < FLIPS)
    return {"age": min(100.0, max(1.0, age)), "gender": float(gender), "smile": float(smile)}


def sample_face(rng: Random, person: Person | None = None) -> Face:
    """A face for `person`, or for one sampled from the same numbers first."""
    person = person or sample_person(rng)
    cues = _Cues(person, rng)
    scene = _sample_scene(rng)
    skin = _sample_skin(rng)
    head = _sample_head(cues, rng, skin)
    mouth, joy = _sample_mouth(cues, rng, head)
    hair = _sample_hair(cues, rng)
    eyes = _sample_eyes(cues, rng, head, hair, joy)
    marks = _sample_marks(cues, rng, joy)
    wear = _sample_wear(cues, rng)
    return Face(person, head, eyes, mouth, marks, hair, wear, scene, rng.getrandbits(32))


class _Cues:
    """What a single feature tells of a person: the truth, blurred anew at every asking.

    Some people look younger or older all over, and some more or less feminine; children's faces hardly tell.
    """

    def __init__(self, person: Person, rng: Random):
        self.person = person
        self.rng = rng
        self.looks = max(0.5, person.age * math.exp(rng.gauss(0.0, 0.07)))
        grown = ramp(person.age, 7.0, 19.0)
        self.femininity = (1.0 if person.female else -1.0) * (0.5 + 0.5 * grown) + rng.gauss(0.0, 0.25)

    def age(self) -> float:
        return max(0.5, self.looks + self.rng.gauss(0.0, 1.0 + 0.11 * self.looks))

    def child(self) -> float:
        """1 at birth, 0 from 18 years."""
        return 1.0 - ramp(self.age(), 0.0, 18.0) ** 0.8

    def old(self, start: float = 25.0, end: float = 90.0) -> float:
        return ramp(self.age(), start, end)

    def feminine(self) -> float:
        """About -1 in men, 1 in women."""
        return self.femininity + self.rng.gauss(0.0, 0.45)


def ramp(value: float, start: float, end: float) -> float:
    """0 up to `start`, 1 from `end` on, a straight line between."""
    return min(1.0, max(0.0, (value - start) / (end - start)))


def _pick(rng: Random, colours) -> Colour:
    return colours[int(rng.random() * len(colours))]


def _vivid(rng: Random) -> Colour:
    return rng.uniform(20, 240), rng.uniform(20, 240), rng.uniform(20, 240)


def _sample_skin(rng: Random) -> Colour:
    place = rng.random() * (len(_SKINS) - 1)
    tone = mix(_SKINS[int(place)], _SKINS[int(place) + 1], place % 1.0)
    hue = rng.gauss(0.0, 5.0)
    return tone[0] + hue * 0.4, tone[1] - hue * 0.6, tone[2] - hue * 1.2


def _sample_head(cues: _Cues, rng: Random, skin: Colour) -> Head:
    child, child_again = cues.child(), cues.child()
    feminine = cues.feminine()
    return Head(
        skin=skin,
        width=0.73 + 0.14 * child - 0.02 * feminine + rng.gauss(0.0, 0.03),
        chin=1.0 - 0.14 * child_again + rng.gauss(0.0, 0.03),
        jaw=min(3.2, max(1.65, 2.15 - 0.30 * feminine + rng.gauss(0.0, 0.12))),
        jowl=max(0.0, 0.10 * cues.old(40) + rng.gauss(0.0, 0.02)),
        neck=0.42 - 0.14 * cues.child() - 0.05 * cues.feminine() + rng.gauss(0.0, 0.02),
        shoulders=1.35 - 0.35 * cues.child() - 0.12 * cues.feminine() + rng.gauss(0.0, 0.08),
        ear=0.17 + 0.05 * cues.old(30) + rng.gauss(0.0, 0.015),
        earrings=rng.random() < (0.35 if cues.person.female else 0.05) * ramp(cues.person.age, 4, 16),
        blush=max(0.0, 0.10 + 0.22 * child * rng.random() + rng.gauss(0.0, 0.08)),
        nose_y=0.34 + 0.11 * child_again + rng.gauss(0.0, 0.02),
        nose=0.125 - 0.02 * child - 0.012 * cues.feminine() + 0.02 * cues.old(40) + rng.gauss(0.0, 0.014),
        nose_length=0.36 - 0.17 * child + 0.04 * cues.old(40) + rng.gauss(0.0, 0.03),
    )


def _sample_mouth(cues: _Cues, rng: Random, head: Head) -> tuple[Mouth, float]:
    """The mouth, and how joyful the rest of the face is; some smiles are faint, some faces merely friendly."""
    if cues.person.smiling:
        intensity = 0.15 + 0.85 * rng.betavariate(2.0, 1.4)
        opening = rng.uniform(0.06, 0.22) * intensity if rng.random() < 0.25 + 0.5 * intensity else 0.0
        teeth = opening > 0 and rng.random() < 0.85
    else:
        intensity = rng.gauss(-0.12, 0.17)
        opening = rng.uniform(0.03, 0.2) if rng.random() < 0.18 else 0.0
        teeth = opening > 0 and rng.random() < 0.25
    feminine, old = cues.feminine(), cues.old(40)
    full = max(0.35, 1.0 + 0.24 * feminine - 0.35 * old + rng.gauss(0.0, 0.1))
    lips = mix(head.skin, (168, 62, 66), min(0.8, 0.45 + 0.12 * feminine))
    painted = rng.random() < (0.55 if cues.person.female else 0.0) * ramp(cues.person.age, 13, 20)
    if painted:
        lips = mix(lips, _pick(rng, ((190, 30, 50), (150, 30, 60), (214, 80, 100))), rng.uniform(0.3, 0.9))
    mouth = Mouth(
        y=head.nose_y + 0.25 - 0.05 * cues.child() + rng.gauss(0.0, 0.02) + 0.15 * (head.chin - 1.0),
        width=0.26 + 0.11 * max(0.0, intensity) - 0.04 * cues.child() + rng.gauss(0.0, 0.02),
        curve=0.19 * intensity + rng.gauss(0.0, 0.035),
        opening=opening,
        teeth=teeth,
        upper=0.056 * full,
        lower=0.074 * full,
        lips=shade(lips, 0.92),
        cheeks=min(1.0, max(0.0, intensity + rng.gauss(0.0, 0.22))),
    )
    return mouth, max(0.0, intensity)


def _sample_eyes(cues: _Cues, rng: Random, head: Head, hair: Hair, joy: float) -> Eyes:
    child, feminine, old = cues.child(), cues.feminine(), cues.old(35)
    squint = 0.2 * max(0.0, joy + rng.gauss(0.0, 0.25))
    painted = rng.random() < (0.3 if cues.person.female else 0.01) * ramp(cues.person.age, 13, 20)
    brow = mix(shade(hair.colour, 0.8), head.skin, 0.08 + 0.35 * child)
    return Eyes(
        x=head.width * 0.46 + rng.gauss(0.0, 0.012),
        y=-0.05 + 0.20 * cues.child() + rng.gauss(0.0, 0.03),
        size=0.165 + 0.06 * child + 0.006 * feminine + rng.gauss(0.0, 0.010),
        opening=max(0.14, 0.50 + 0.10 * child - 0.16 * old - squint + rng.gauss(0.0, 0.06)),
        droop=0.05 * cues.old(40) + rng.gauss(0.0, 0.012),
        gaze=rng.gauss(0.0, 0.3),
        iris=_pick(rng, _IRISES),
        lashes=min(1.0, max(0.0, 0.40 + 0.42 * feminine + rng.gauss(0.0, 0.15))),
        shadow=_vivid(rng) if painted else None,
        bags=max(0.0, 0.75 * cues.old(30) + rng.gauss(0.05, 0.1)),
        brow=mix(brow, _ELDERLY_GREY, 0.8 * hair.grey * rng.random()),
        brow_width=max(0.02, 0.072 - 0.027 * feminine - 0.030 * child + rng.gauss(0.0, 0.008)),
        brow_gap=0.165 + 0.028 * feminine + 0.02 * child + rng.gauss(0.0, 0.015),
        brow_arch=max(0.0, 0.045 + 0.018 * feminine + rng.gauss(0.0, 0.02)),
        brow_tilt=rng.gauss(0.0, 0.03),
    )


def _sample_marks(cues: _Cues, rng: Random, joy: float) -> Marks:
    """Lines come with age, and a smile deepens those beside the eyes and the mouth."""

    def line(start: float, deepened: float = 0.0) -> float:
        depth = cues.old(start, 84.0) * rng.uniform(0.7, 1.3) + rng.gauss(0.0, 0.05)
        return min(1.0, max(0.0, depth + deepened * (0.35 + depth)))

    return Marks(
        forehead=line(28) if rng.random() < 0.9 else 0.0,
        frown=line(32) if rng.random() < 0.7 else 0.0,
        crows_feet=line(30, 0.6 * joy),
        nasolabial=line(22, 0.9 * joy),
        marionette=line(42),
        neck=line(38),
        patches=min(1.0, max(0.0, cues.old(30) * rng.uniform(0.4, 1.3))),
        spots=int(12 * cues.old(45) * rng.random() + 0.5),
        freckles=rng.randint(6, 22) if rng.random() < 0.08 else 0,
    )


def _sample_hair(cues: _Cues, rng: Random) -> Hair:
    person = cues.person
    adult = ramp(person.age, 12, 20)
    colour = shade(_pick(rng, _HAIRS), rng.uniform(0.8, 1.15))
    if rng.random() < 0.04:
        colour = _vivid(rng)
    dyed = rng.random() < (0.35 if person.female else 0.1) * adult
    grey = 0.0 if dyed else 1.0 / (1.0 + math.exp(-(cues.age() - rng.gauss(54.0, 7.0)) / 5.0))
    if rng.random() < 0.02:
        grey = rng.random()
    loss = 0.0 if person.female else max(0.0, (cues.age() - rng.gauss(42.0, 16.0)) / 45.0)
    recession = min(1.0, loss + rng.uniform(0.0, 0.12))
    style, length = _sample_style(cues, rng, recession)
    beard = ""
    if not person.female and rng.random() < 0.42 * ramp(person.age, 15, 24):
        beard = BEARDS[rng.choices((1, 2, 3, 4), (4, 2, 2, 3))[0]]
    tint = shade(colour, rng.uniform(0.75, 1.05))
    return Hair(
        colour=mix(colour, _ELDERLY_GREY, grey * rng.uniform(0.75, 1.0)),
        grey=grey,
        style=style,
        volume=max(0.02, 0.13 + 0.03 * cues.feminine() + rng.gauss(0.0, 0.04)),
        length=length,
        line=-0.56 - 0.04 * cues.child() - 0.2 * min(1.0, recession) + rng.gauss(0.0, 0.04),
        recession=recession,
        fringe=rng.uniform(0.4, 1.0) if rng.random() < 0.2 + 0.1 * cues.feminine() else 0.0,
        parting=rng.uniform(-0.4, 0.4),
        beard=beard,
        beard_strength=rng.uniform(0.5, 1.0),
        beard_colour=mix(tint, _ELDERLY_GREY, min(1.0, grey * rng.uniform(0.7, 1.2))),
    )


def _sample_style(cues: _Cues, rng: Random, recession: float) -> tuple[str, float]:
    """The hair style and how far down it reaches."""
    if recession > 0.85 or rng.random() < (0.01 if cues.person.female else 0.05):
        return "bald", 0.0
    if cues.age() < 2.5:
        return rng.choice(("bald", "buzz", "short")), 0.0
    if cues.feminine() + rng.gauss(0.0, 0.35) > 0.0:
        style = rng.choices(("short", "curly", "afro", "bob", "long", "bun"), (2, 2, 1, 3, 5, 2))[0]
    else:
        style = rng.choices(("buzz", "short", "side", "spiky", "curly", "afro", "long"), (2, 5, 4, 2, 1, 1, 1))[0]
    length = {"bob": rng.uniform(0.45, 0.85), "long": rng.uniform(0.9, 1.7)}.get(style, 0.0)
    return style, length


def _sample_wear(cues: _Cues, rng: Random) -> Wear:
    wears_glasses = rng.random() < 0.08 + 0.22 * cues.old(20, 70)
    dark = rng.random() < 0.015
    hat = rng.choice(("cap", "beanie", "brim")) if rng.random() < 0.06 else ""
    return Wear(
        clothes=_vivid(rng),
        collar=rng.choice(("round", "shirt", "high")),
        glasses="dark" if dark else rng.choice(("thin", "thick")) if wears_glasses else "",
        glasses_colour=_pick(rng, ((20, 20, 22), (70, 44, 30), (150, 150, 156), (120, 30, 36), (40, 60, 110))),
        hat=hat,
        hat_colour=_vivid(rng),
    )


def _sample_scene(rng: Random) -> Scene:
    return Scene(
        scale=rng.uniform(0.68, 0.80),
        shift_x=rng.gauss(0.0, 0.035),
        shift_y=rng.gauss(0.03, 0.03),
        roll=rng.gauss(0.0, 0.08),
        yaw=rng.gauss(0.0, 0.07),
        pitch=rng.gauss(0.0, 0.035),
        background=rng.choice(("gradient", "gradient", "blobs", "stripes")),
        palette=_sample_palette(rng),
        light_x=rng.uniform(-1.0, 1.0),
        light_y=rng.uniform(-1.0, 0.3),
        light=0.45 * rng.random() ** 1.5,
        brightness=rng.gauss(0.0, 10.0),
        contrast=math.exp(rng.gauss(0.0, 0.10)),
        warmth=rng.gauss(0.0, 0.06),
        blur=min(0.9, max(0.0, rng.gauss(0.15, 0.3))),
        noise=abs(rng.gauss(0.0, 4.0)),
        grey=rng.random() < 0.08,
    )


def _sample_palette(rng: Random) -> tuple[Colour, Colour, Colour, Colour]:
    """Four corners around a common colour, loud or muted."""
    base, loudness = _vivid(rng), rng.uniform(0.05, 0.6)
    first, second, third, fourth = (mix(base, _vivid(rng), loudness) for _ in range(4))
    return first, second, third, fourth
