"""Dummy data in the owners' exact layouts, with and without what goes wrong in them."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
from collections.abc import Callable

import numpy as np
import scipy.io
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Layout:
    """A data set's dummy files.

    Args:
        write: makes them below a manual folder; with True also malformed ones.
        counts: by TFDS split the number of well-formed examples.
        labels: by our split and image the labels in the order of `tasks`, None for a missing one; images without any
            label are left out.
        bad: by our split the images that are quarantined when the malformed ones are there too.
        tasks: names of built-in tasks.
    """

    tasks: tuple[str, ...]
    write: Callable[[pathlib.Path, bool], None]
    counts: dict[str, int]
    labels: dict[str, dict[str, tuple]]
    bad: dict[str, list[str]]


def picture(folder: pathlib.Path, *names: str) -> None:
    """8x8 pictures, each of a colour that its name decides."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), tuple(np.random.default_rng([*name.encode()]).integers(0, 256, 3).tolist())).save(path)


def lines(path: pathlib.Path, *rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def cells(*texts: str) -> np.ndarray:
    """A MATLAB cell array; the empty text is an empty matrix, as in the owners' files."""
    values = np.empty((1, len(texts)), object)
    for i, text in enumerate(texts):
        values[0, i] = text if text else np.zeros((0, 0))
    return values


# ---- Adience

_ADIENCE = "user_id original_image face_id age gender x y dx dy tilt_ang fiducial_yaw_angle fiducial_score"


def _adience(folder: pathlib.Path, malformed: bool) -> None:
    rest = "0\t414\t1086\t1383\t-115\t30\t17"
    rows: dict[int, list[str]] = {
        0: ["30601258@N03\t10_o.jpg\t1\t(25, 23)\tf", "30601258@N03\t10_o.jpg\t1\t(25, 23)\tf"],
        1: ["30601258@N03\t11_o.jpg\t2\t(60, 100)\tu", "7@N00\t12_o.jpg\t3\t35\tm"],
        2: ["7@N01\t13_o.jpg\t4\t(8, 12)\tm"],
        3: ["7@N01\t14_o.jpg\t5\t(0, 2)\t"],
        4: ["7@N02\t15_o.jpg\t6\tNone\tu", "7@N02\t16_o.jpg\t6\t(38, 43)\tf"],
    }
    for fold, some in rows.items():
        for row in some:
            user, original, face = row.split("\t")[:3]
            picture(folder, f"Adience/aligned/{user}/landmark_aligned_face.{face}.{original}")
        some = [f"{row}\t{rest}" for row in some]
        if malformed and fold == 0:
            some += [f"8@N00\t20_o.jpg\t7\t(99, 12)\tf\t{rest}", "8@N00\t21_o.jpg\t7\t(0, 2)"]
            picture(folder, *(f"Adience/aligned/8@N00/landmark_aligned_face.7.{i}_o.jpg" for i in (20, 21)))
        lines(folder / f"Adience/fold_{fold}_data.txt", "\t".join(_ADIENCE.split()), *some)


_FACE = "Adience/aligned/{}/landmark_aligned_face.{}.{}_o.jpg"

# ---- FairFace


def _fairface(folder: pathlib.Path, malformed: bool) -> None:
    header = "file,age,gender,race,service_test"
    train = ["train/1.jpg,50-59,Male,East Asian,True", "train/2.jpg,more than 70,Female,Latino_Hispanic,False"]
    val = ["val/1.jpg,3-9,Male,East Asian,False"]
    if malformed:
        train += ["train/3.jpg,30-31,Male,White,True", "train/4.jpg,20-29,M", "train/1.jpg,40-49,Male,East Asian,True"]
        train += ["train/5.jpg,0-2,Male,White,True"]  # There is no such picture.
        picture(folder, "FairFace/train/3.jpg", "FairFace/train/4.jpg")
    picture(folder, "FairFace/train/1.jpg", "FairFace/train/2.jpg", "FairFace/val/1.jpg")
    lines(folder / "FairFace/fairface_label_train.csv", header, *train)
    lines(folder / "FairFace/fairface_label_val.csv", header, *val)


# ---- IMDB-Clean


def _imdb_clean(folder: pathlib.Path, malformed: bool) -> None:
    header = "filename,age,gender,x_min,y_min,x_max,y_max,head_roll,head_yaw,head_pitch"
    box = "139,71,184,137,-0.97,-10.86,26.80"
    rows = {
        "train": [f"13/nm0000313_rm1851819008_1949-12-4_2010.jpg,61,M,{box}"],
        "valid": [f"13/nm0000313_rm1851819009_1949-12-4_2011.jpg,62,M,{box}"],
        "test": [f"38/nm2679438_rm3695806976_1989-8-15_2009.jpg,20,F,{box}"],
    }
    for split, some in rows.items():
        picture(folder, *(f"imdb-clean-1024/{row.split(',')[0]}" for row in some))
        if malformed and split == "test":
            some += [f"38/nm1_rm1_1989-8-15_2009.jpg,old,F,{box}", "38/nm1_rm2_1989-8-15_2009.jpg"]
        lines(folder / f"imdb-clean-1024/imdb_{split}_new_1024.csv", header, *some)


# ---- IMDB-WIKI


def _imdb_wiki(folder: pathlib.Path, malformed: bool) -> None:
    def day(*date: int) -> int:
        return datetime.date(*date).toordinal() + 366

    nan, inf = np.nan, np.inf
    imdb = [
        # day of birth, year, image, gender, name, face score, second face score
        (day(1899, 5, 10), 1968, "01/nm0000001_rm124825600_1899-5-10_1968.jpg", 1, "Fred Astaire", 1.4, nan),
        (day(1899, 7, 2), 1970, "01/nm0000001_rm3343756032_1899-5-10_1970.jpg", nan, "Fred Astaire", 2.0, nan),
        (day(1924, 9, 16), 1974, "02/nm0000002_rm1_1924-9-16_1974.jpg", 0, "Lauren Bacall", 4.0, 2.5),
        (day(1924, 9, 16), 1975, "02/nm0000002_rm2_1924-9-16_1975.jpg", 0, "Lauren Bacall", -inf, nan),
    ]
    wiki = [(day(1981, 5, 5), 2009, "17/10000217_1981-05-05_2009.jpg", 0, "", 3.1, nan)]
    if malformed:
        imdb += [(0, 1970, "01/nm9_rm1_0-0-0_1970.jpg", 1, "Nobody", 2.0, nan)]
        imdb += [(day(1990, 1, 1), 1970, "01/nm9_rm2_1990-1-1_1970.jpg", 1, "Nobody", 2.0, nan)]
    for part, rows in (("imdb", imdb), ("wiki", wiki)):
        picture(folder, *(f"{part}_crop/{row[2]}" for row in rows))
        birth, year, image, gender, name, score, second = zip(*rows, strict=True)
        meta = {
            "dob": np.array([birth], np.int32),
            "photo_taken": np.array([year], np.uint16),
            "full_path": cells(*image),
            "gender": np.array([gender], float),
            "name": cells(*name),
            "face_location": cells(*("" for _ in rows)),
            "face_score": np.array([score], float),
            "second_face_score": np.array([second], float),
        }
        scipy.io.savemat(folder / f"{part}_crop/{part}.mat", {part: meta})


# ---- AFAD, MORPH II, CACD, AgeDB


def _afad(folder: pathlib.Path, malformed: bool) -> None:
    picture(folder, "AFAD-Full/15/111/638660-1.jpg", "AFAD-Full/15/111/638660-0.jpg", "AFAD-Full/72/112/9-0.jpg")
    lines(folder / "AFAD-Full/AFAD-Full.txt", "./15/111/638660-1.jpg")
    if malformed:
        picture(folder, "AFAD-Full/15/113/7-0.jpg", "AFAD-Full/15/8-0.jpg")
        lines(folder / "AFAD-Full/15/112/Thumbs.db", "not a picture")


def _morph2(folder: pathlib.Path, malformed: bool) -> None:
    header = "id_num,picture_num,dob,doa,race,gender,facial_hair,age,age_diff,glasses,photo"
    rows = [
        "009055,1,06/02/1951,07/30/2005,W,M,NULL,54,0,NULL,Album2/009055_1M54.JPG",
        "012345,0,06/02/1980,07/30/2005,B,F,NULL,25,0,NULL,Album2/012345_00F25.JPG",
    ]
    picture(folder, "MORPH_nonCommercial/Album2/009055_1M54.JPG", "MORPH_nonCommercial/Album2/012345_00F25.JPG")
    if malformed:
        rows += ["012346,0,06/02/1980,07/30/2005,B,F,NULL,-1,0,NULL,Album2/012346_00F25.JPG", "012347,0"]
    lines(folder / "MORPH_nonCommercial/morph_2008_nonCommercial.csv", header, *rows)


def _cacd(folder: pathlib.Path, malformed: bool) -> None:
    rows = [
        # name, age, identity, rank
        ("53_Robin_Williams_0001.jpg", 53, 1, 2),
        ("40_Jet_Li_0001.jpg", 40, 2, 3),
        ("41_Lucy_Liu_0001.jpg", 41, 5, 5),
        ("62_Stellan_Skarsgård_0016.jpg", 62, 3, 6),
        ("16_Elle_Fanning_0002.jpg", 16, 4, 50),
    ]
    rows += [("199_Elle_Fanning_0003.jpg", 199, 4, 50)] if malformed else []
    picture(folder, *(f"CACD2000/{row[0]}" for row in rows))
    name, age, identity, rank = zip(*rows, strict=True)
    meta = {
        "age": np.array(age, np.uint8)[:, None],
        "identity": np.array(identity, np.uint16)[:, None],
        "year": np.full((len(rows), 1), 2004, np.uint16),
        "feature": np.zeros((0, 0)),
        "rank": np.array(rank, np.uint8)[:, None],
        "lfw": np.zeros((len(rows), 1), np.uint8),
        "birth": np.full((len(rows), 1), 1951, np.uint16),
        "name": cells(*name).T,
    }
    celebrities = {"name": cells("Robin Williams").T, "identity": np.array([[1]], np.uint16)}
    file = folder / "celebrity2000_meta.mat"
    scipy.io.savemat(file, {"celebrityData": celebrities, "celebrityImageData": meta})


def _agedb(folder: pathlib.Path, malformed: bool) -> None:
    picture(folder, "AgeDB/0_MariaCallas_35_f.jpg", "AgeDB/9564_RicardoMontalbаn_84_m.jpg")
    if malformed:
        picture(folder, "AgeDB/1_MariaCallas_f.jpg", "AgeDB/2_MariaCallas_x_f.jpg")


# ---- ChaLearn LAP 2016, Faces of the World, APPA-REAL


def _chalearn_lap_age(folder: pathlib.Path, malformed: bool) -> None:
    release = folder / "ChaLearn_LAP_2016"
    rows = {
        "train": ["image_1.jpg,24.5,3.4", "image_2.jpg,61.25,5.9"],
        "valid": ["image_3.jpg,3.5,0.7"],
        "test": ["image_4.jpg,40.0,4.1"],
    }
    picture(release, "train_1/image_1.jpg", "train_2/image_2.jpg", "valid/image_3.jpg", "test_1/part/image_4.jpg")
    if malformed:
        rows["train"] += ["image_5.jpg,young,3.4", "image_6.jpg,7.5", "image_7.jpg,30.0,2.5"]
        picture(release, "train_1/image_5.jpg", "train_1/image_6.jpg")
    for split, some in rows.items():
        lines(release / f"{split}_gt.csv", "image,mean,stdv", *some)


def _fotw(folder: pathlib.Path, malformed: bool) -> None:
    header = "image_name, bbox_x, bbox_y, bbox_width, bbox_height, Gender, Smile"
    rows = {
        "smiles_trset/gender_fex_trset.csv": ["0001.jpg,66,129,62,62,0,1", "0002.jpg,6,12,62,62,2,0"],
        "smiles_valset/gender_fex_valset.csv": ["0003.jpg,1,2,3,4,1,0"],
        "track3_all/test_gt.csv": ["0004.jpg,1,2,3,4,1,1"],
    }
    for path, some in rows.items():
        place = path.partition("/")[0]
        picture(folder / "FotW" / place, *(row.partition(",")[0] for row in some))
        if malformed and place == "track3_all":
            some += ["0005.jpg,1,2,3,4,3,1", "0006.jpg,1,2,3,4,1", "0007.jpg,1,2,3,4,1,1"]
            picture(folder / "FotW/track3_all", "0005.jpg", "0006.jpg")
        lines(folder / "FotW" / path, header, *some)


def _appa_real(folder: pathlib.Path, malformed: bool) -> None:
    release = folder / "appa-real-release"
    for number, split in enumerate(("train", "valid", "test")):
        rows = [f"00000{number}.jpg,38,{number + 4.25},1.2,5"]
        picture(release / split, f"00000{number}.jpg", f"00000{number}.jpg_face.jpg")
        if malformed and split == "valid":
            rows += ["000007.jpg,30,old,1.2,9", "000008.jpg,30,9.5", "000009.jpg,30,9.5,1.2,9"]
            picture(release / split, "000007.jpg_face.jpg", "000008.jpg_face.jpg")
        header = "file_name,num_ratings,apparent_age_avg,apparent_age_std,real_age"
        lines(release / f"gt_avg_{split}.csv", header, *rows)


# ---- UTKFace, SMILEs, GENKI-4K


def _utkface(folder: pathlib.Path, malformed: bool) -> None:
    picture(folder, "UTKFace/30_0_1_20170101.jpg.chip.jpg", "UTKFace/8_1_2_20170102.jpg.chip.jpg")
    if malformed:
        picture(folder, "UTKFace/8_1.jpg", "UTKFace/200_0_0_20170103.jpg.chip.jpg")


def _smiles(folder: pathlib.Path, malformed: bool) -> None:
    picture(folder, "SMILEs/positives/positives7/1.jpg", "SMILEs/negatives/negatives7/2.jpg")
    if malformed:
        lines(folder / "SMILEs/negatives/negatives7/3.jpg", "not a picture")


def _genki4k(folder: pathlib.Path, malformed: bool) -> None:
    rows = ["1 0.107 -0.025 0.054", "0 0.009 0.013 -0.140"]
    rows += ["7 what"] if malformed else []
    picture(folder, *(f"GENKI-4K/files/file{i:04d}.jpg" for i in ((1, 2, 3, 5) if malformed else (1, 2))))
    lines(folder / "GENKI-4K/labels.txt", *rows)


LAYOUTS = {
    "chalearn_lap_age": Layout(
        ("age",),
        _chalearn_lap_age,
        {"train": 2, "valid": 1, "test": 1},
        {
            "train": {
                "ChaLearn_LAP_2016/train_1/image_1.jpg": (24.5,),
                "ChaLearn_LAP_2016/train_2/image_2.jpg": (61.25,),
            },
            "validation": {"ChaLearn_LAP_2016/valid/image_3.jpg": (3.5,)},
            "test": {"ChaLearn_LAP_2016/test_1/part/image_4.jpg": (40.0,)},
        },
        {
            "train": [
                "ChaLearn_LAP_2016/train/image_7.jpg",
                "ChaLearn_LAP_2016/train_1/image_5.jpg",
                "ChaLearn_LAP_2016/train_1/image_6.jpg",
            ]
        },
    ),
    "fotw": Layout(
        ("gender", "smile"),
        _fotw,
        {"train": 2, "valid": 1, "test": 1},
        {
            "train": {"FotW/smiles_trset/0001.jpg": (0, 1), "FotW/smiles_trset/0002.jpg": (None, 0)},
            "validation": {"FotW/smiles_valset/0003.jpg": (1, 0)},
            "test": {"FotW/track3_all/0004.jpg": (1, 1)},
        },
        {"test": [f"FotW/track3_all/000{i}.jpg" for i in (5, 6, 7)]},
    ),
    "appa_real": Layout(
        ("age",),
        _appa_real,
        {"train": 1, "valid": 1, "test": 1},
        {
            "train": {"appa-real-release/train/000000.jpg_face.jpg": (4.25,)},
            "validation": {"appa-real-release/valid/000001.jpg_face.jpg": (5.25,)},
            "test": {"appa-real-release/test/000002.jpg_face.jpg": (6.25,)},
        },
        {"validation": [f"appa-real-release/valid/00000{i}.jpg_face.jpg" for i in (7, 8, 9)]},
    ),
    "utkface": Layout(
        ("age", "gender"),
        _utkface,
        {"train": 2},
        {
            "train": {
                "UTKFace/30_0_1_20170101.jpg.chip.jpg": (30, 0),
                "UTKFace/8_1_2_20170102.jpg.chip.jpg": (8, 1),
            }
        },
        {"train": ["UTKFace/200_0_0_20170103.jpg.chip.jpg", "UTKFace/8_1.jpg"]},
    ),
    "smiles": Layout(
        ("smile",),
        _smiles,
        {"train": 2},
        {
            "train": {
                "SMILEs/negatives/negatives7/2.jpg": (0,),
                "SMILEs/positives/positives7/1.jpg": (1,),
            }
        },
        {"train": ["SMILEs/negatives/negatives7/3.jpg"]},
    ),
    "genki4k": Layout(
        ("smile",),
        _genki4k,
        {"train": 2},
        {"train": {"GENKI-4K/files/file0001.jpg": (1,), "GENKI-4K/files/file0002.jpg": (0,)}},
        {"train": ["GENKI-4K/files/file0003.jpg", "GENKI-4K/files/file0005.jpg"]},
    ),
    "adience": Layout(
        ("age_group", "gender"),
        _adience,
        {"fold_0": 1, "fold_1": 2, "fold_2": 1, "fold_3": 1, "fold_4": 2},
        {
            "train": {
                _FACE.format("30601258@N03", 2, 11): (7, None),
                _FACE.format("7@N00", 3, 12): (None, 0),
                _FACE.format("7@N01", 4, 13): (2, 0),
                _FACE.format("7@N01", 5, 14): (0, None),
                _FACE.format("7@N02", 6, 16): (5, 1),
            },
            "test": {_FACE.format("30601258@N03", 1, 10): (4, 1)},
        },
        {"test": [_FACE.format("8@N00", 7, 20), _FACE.format("8@N00", 7, 21)]},
    ),
    "fairface": Layout(
        ("age_decade", "gender"),
        _fairface,
        {"train": 2, "val": 1},
        {
            "train": {"FairFace/train/1.jpg": (6, 0), "FairFace/train/2.jpg": (8, 1)},
            "test": {"FairFace/val/1.jpg": (1, 0)},
        },
        {"train": [f"FairFace/train/{i}.jpg" for i in (1, 3, 4, 5)]},
    ),
    "imdb_clean": Layout(
        ("age", "gender"),
        _imdb_clean,
        {"train": 1, "valid": 1, "test": 1},
        {
            "train": {"imdb-clean-1024/13/nm0000313_rm1851819008_1949-12-4_2010.jpg": (61, 0)},
            "validation": {"imdb-clean-1024/13/nm0000313_rm1851819009_1949-12-4_2011.jpg": (62, 0)},
            "test": {"imdb-clean-1024/38/nm2679438_rm3695806976_1989-8-15_2009.jpg": (20, 1)},
        },
        {"test": [f"imdb-clean-1024/38/nm1_rm{i}_1989-8-15_2009.jpg" for i in (1, 2)]},
    ),
    "imdb_wiki": Layout(
        ("age", "gender"),
        _imdb_wiki,
        {"train": 5},
        {
            "train": {
                "imdb_crop/01/nm0000001_rm124825600_1899-5-10_1968.jpg": (69, 0),
                "imdb_crop/01/nm0000001_rm3343756032_1899-5-10_1970.jpg": (70, None),
                "wiki_crop/17/10000217_1981-05-05_2009.jpg": (28, 1),
            }
        },
        {"train": ["imdb_crop/01/nm9_rm1_0-0-0_1970.jpg", "imdb_crop/01/nm9_rm2_1990-1-1_1970.jpg"]},
    ),
    "afad": Layout(
        ("age", "gender"),
        _afad,
        {"train": 3},
        {
            "train": {
                "AFAD-Full/15/111/638660-0.jpg": (15, 0),
                "AFAD-Full/15/111/638660-1.jpg": (15, 0),
                "AFAD-Full/72/112/9-0.jpg": (72, 1),
            }
        },
        {"train": ["AFAD-Full/15/112/Thumbs.db", "AFAD-Full/15/113/7-0.jpg", "AFAD-Full/15/8-0.jpg"]},
    ),
    "morph2": Layout(
        ("age", "gender"),
        _morph2,
        {"train": 2},
        {
            "train": {
                "MORPH_nonCommercial/Album2/009055_1M54.JPG": (54, 0),
                "MORPH_nonCommercial/Album2/012345_00F25.JPG": (25, 1),
            }
        },
        {
            "train": [
                "MORPH_nonCommercial/Album2/012346_00F25.JPG",
                "MORPH_nonCommercial/line 5 of morph_2008_nonCommercial.csv has 2 fields, expected 11",
            ]
        },
    ),
    "cacd": Layout(
        ("age",),
        _cacd,
        {"train": 2, "validation": 1, "test": 2},
        {
            "train": {
                "CACD2000/62_Stellan_Skarsgård_0016.jpg": (62,),
                "CACD2000/16_Elle_Fanning_0002.jpg": (16,),
            },
            "validation": {"CACD2000/53_Robin_Williams_0001.jpg": (53,)},
            "test": {"CACD2000/40_Jet_Li_0001.jpg": (40,), "CACD2000/41_Lucy_Liu_0001.jpg": (41,)},
        },
        {"train": ["CACD2000/199_Elle_Fanning_0003.jpg"]},
    ),
    "agedb": Layout(
        ("age", "gender"),
        _agedb,
        {"train": 2},
        {
            "train": {
                "AgeDB/0_MariaCallas_35_f.jpg": (35, 1),
                "AgeDB/9564_RicardoMontalbаn_84_m.jpg": (84, 0),
            }
        },
        {"train": ["AgeDB/1_MariaCallas_f.jpg", "AgeDB/2_MariaCallas_x_f.jpg"]},
    ),
}
