"""The table of data sets that have a TFDS builder: splits, labels, licence, and where the files come from.

Neither TensorFlow nor TFDS is imported here: flags need this table.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

from keras_mtl.errors import UserError


@dataclasses.dataclass(frozen=True)
class Label:
    """How a task's label is read.

    Args:
        feature: the builder's feature; a nested one is `outer/inner`.
        values: what each value of it, as text, is called in the task; None takes it as it is. A value that
            isn't among them is a bad label; the empty text is a missing one.
    """

    feature: str
    values: dict[str, str] | None = None


@dataclasses.dataclass(frozen=True)
class DataSet:
    """What is to be known of a data set.

    Args:
        name: as in `--sources=age=NAME`; the builder is the one class of TFDS's in `builders/NAME.py`.
        splits: {our split: TFDS split}.
        labels: {task: its label}.
        licence, description, homepage: of the owner.
        needs: what must exist below the manual folder; glob patterns allowed.
        instructions: where to get the files, which ones, and where to put them.
        identity: the feature that names the person; empty where there is none.
        groups: features that tell what group of people someone is in, to evaluate by, never to be predicted.
        builder: the name under which TFDS itself has the builder; empty for one of ours.
        file: the name of the file in `builders/` where it isn't `name`: several entries may share a builder.
    """

    name: str
    splits: dict[str, str]
    labels: dict[str, Label]
    licence: str
    description: str
    homepage: str
    needs: tuple[str, ...]
    instructions: str
    identity: str = ""
    groups: tuple[str, ...] = ()
    builder: str = ""
    file: str = ""

    @property
    def prepared_as(self) -> str:
        """The name of the builder, and so of its folder of prepared files."""
        return self.builder or self.file or self.name


_CELEBA = [
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
]
"""The attributes besides Male and Smiling; a task bears one's name in lower case and has two classes, no and yes."""

_DECADES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")
"""FairFace's names of its age groups."""

FOTW_LISTS = {
    "train": "FotW/smiles_trset/gender_fex_trset.csv",
    "valid": "FotW/smiles_valset/gender_fex_valset.csv",
    "test": "FotW/track3_all/test_gt.csv",
}
"""Faces of the World's lists by the owner's split; the pictures of each lie beside it."""

_IMDB_SPLITS = ("train", "valid", "test")

_ADIENCE_AGES = {
    "(0, 2)": "0-2",
    "(4, 6)": "4-6",
    "(8, 12)": "8-13",
    "(15, 20)": "15-20",
    "(25, 32)": "25-32",
    "(25, 23)": "25-32",  # The owners' reader says that this is a slip.
    "(38, 43)": "38-43",
    "(48, 53)": "48-53",
    "(60, 100)": "60+",
    # Odd spans, single ages and unknown ones are no part of the owners' protocol.
    **dict.fromkeys(("(8, 23)", "(27, 32)", "(38, 42)", "(38, 48)", "None"), ""),
    **{str(age): "" for age in (2, 3, 13, 22, 23, 29, 32, 34, 35, 36, 42, 45, 46, 55, 56, 57, 58)},
}
"""All texts in the owners' lists, and the group that each stands for."""


def _adience() -> Iterator[DataSet]:
    """Five ways to test on one fold and train on the others: figures are averaged over them."""
    folds = range(5)
    for test in folds:
        others = "+".join(f"fold_{fold}" for fold in folds if fold != test)
        yield DataSet(
            name=f"adience_fold_{test}" if test else "adience",
            splits={"train": others, "test": f"fold_{test}"},
            labels={
                "age_group": Label("age", _ADIENCE_AGES),
                "gender": Label("gender", {"m": "male", "f": "female", "u": ""}),
            },
            identity="face_id",
            licence="research only; the photos' owners have put them under Creative Commons licences",
            description=f"Adience: 19,370 faces of 2,284 people from Flickr albums; tested on fold {test} of five",
            homepage="https://talhassner.github.io/home/projects/Adience/Adience-data.html",
            needs=("Adience/aligned", *(f"Adience/fold_{fold}_data.txt" for fold in folds)),
            instructions="Get aligned.tar.gz and fold_0_data.txt to fold_4_data.txt from the owner's page; put the "
            "unpacked aligned/ and the five lists into Adience/.",
            file="adience",
        )


_ENTRIES = (
    *_adience(),
    DataSet(
        name="afad",
        splits={"train": "train"},
        labels={"age": Label("age"), "gender": Label("gender", {"111": "male", "112": "female"})},
        identity="person",
        licence="unknown; see the owner's page",
        description="AFAD: faces of Asian people from a social network",
        homepage="https://afad-dataset.github.io",
        needs=("AFAD-Full/*/11[12]",),
        instructions="Get github.com/afad-dataset/tarball, put its parts together with restore.sh, unpack "
        "AFAD-Full.tar.xz and put the folder AFAD-Full/ there.",
    ),
    DataSet(
        name="agedb",
        splits={"train": "train"},
        labels={"age": Label("age"), "gender": Label("gender", {"m": "male", "f": "female"})},
        identity="person",
        licence="non-commercial research only",
        description="AgeDB: 16,488 photos of 567 famous people aged 1 to 101",
        homepage="https://ibug.doc.ic.ac.uk/resources/agedb/",
        needs=("AgeDB",),
        instructions="Ask the owner for the password from an academic address, as the page says; unpack AgeDB.zip and "
        "put the folder AgeDB/ there.",
    ),
    DataSet(
        name="appa_real",
        splits={"train": "train", "validation": "valid", "test": "test"},
        labels={"age": Label("apparent_age_avg")},
        licence="unknown; see the owner's page",
        description="APPA-REAL: faces with their real and their apparent age",
        homepage="https://chalearnlap.cvc.uab.cat",
        needs=tuple(f"appa-real-release/{part}" for s in ("train", "valid", "test") for part in (s, f"gt_avg_{s}.csv")),
        instructions="Get APPA-REAL from the owner's page and unpack it, then put its folder appa-real-release/ there.",
    ),
    DataSet(
        name="cacd",
        splits={split: split for split in ("train", "validation", "test")},
        labels={"age": Label("age")},
        identity="identity",
        licence="academic research only",
        description="CACD: 163,446 photos of 2,000 celebrities, 2004 to 2013; train has wrong pictures in it",
        homepage="https://bcsiriuschen.github.io/CARC/",
        needs=("CACD2000", "celebrity2000_meta.mat"),
        instructions="Get the metadata (celebrity2000_meta.mat) and the original face images (CACD2000.tar.gz) from "
        "the owner's page; put the file and the unpacked folder CACD2000/ there.",
    ),
    DataSet(
        name="celeb_a",
        splits={split: split for split in ("train", "validation", "test")},
        labels={
            "gender": Label("attributes/Male", {"False": "female", "True": "male"}),
            "smile": Label("attributes/Smiling", {"False": "not smiling", "True": "smiling"}),
            **{name.lower(): Label(f"attributes/{name}") for name in _CELEBA},
        },
        identity="identity/Identity_No",
        licence="non-commercial research only",
        description="CelebA: 202,599 aligned faces of celebrities with 40 attributes",
        homepage="http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        needs=(),
        instructions="TFDS downloads it from the owner's drive.",
        builder="celeb_a",
    ),
    DataSet(
        name="chalearn_lap_age",
        splits={"train": "train", "validation": "valid", "test": "test"},
        labels={"age": Label("mean")},
        licence="unknown; see the owner's page",
        description="ChaLearn LAP 2016: about 8,000 photos with the age that people guess, mean and deviation",
        homepage="https://chalearnlap.cvc.uab.cat/dataset/19/description/",
        needs=tuple(f"ChaLearn_LAP_2016/{n}" for s in ("train", "valid", "test") for n in (f"{s}_gt.csv", f"{s}*/*")),
        instructions="Register at chalearnlap.cvc.uab.cat and get, from dataset 19 (Apparent age V2, CVPR '16), the "
        "images and the ground truth of training, validation and test; put train_gt.csv, valid_gt.csv, test_gt.csv "
        "and the unpacked images, in folders named train, valid and test or beginning so (train_1, train_2), into "
        "ChaLearn_LAP_2016/.",
    ),
    DataSet(
        name="fairface",
        # Published figures are on the owners' validation split, so it is kept from training as a test split is.
        splits={"train": "train", "test": "val"},
        labels={
            "age_decade": Label("age", {name: "70+" if name == "more than 70" else name for name in _DECADES}),
            "gender": Label("gender", {"Male": "male", "Female": "female"}),
        },
        groups=("race",),
        licence="CC BY 4.0",
        description="FairFace: faces from Flickr, as many of each of seven races; age by decade, gender",
        homepage="https://github.com/joojs/fairface",
        needs=tuple(f"FairFace/{part}" for s in ("train", "val") for part in (s, f"fairface_label_{s}.csv")),
        instructions="Get the images (either padding) and both lists of labels from the owner's page; put train/, "
        "val/, fairface_label_train.csv and fairface_label_val.csv into FairFace/.",
    ),
    DataSet(
        name="fotw",
        splits={"train": "train", "validation": "valid", "test": "test"},
        labels={
            "gender": Label("gender", {"0": "male", "1": "female", "2": ""}),
            "smile": Label("smile", {"0": "not smiling", "1": "smiling"}),
        },
        licence="unknown; see the owner's page",
        description="Faces of the World, ChaLearn 2016: photos of people from everywhere, gender and smile",
        homepage="https://gesture.chalearn.org/2016-looking-at-people-cvpr-challenge",
        needs=tuple(FOTW_LISTS.values()),
        instructions="Register for track 3 (smile and gender) as the owner's page says and get the images and ground "
        "truth of training, validation and test; put the unpacked folders smiles_trset/ (with gender_fex_trset.csv in "
        "it), smiles_valset/ (with gender_fex_valset.csv) and track3_all/ (with test_gt.csv) into FotW/.",
    ),
    DataSet(
        name="genki4k",
        splits={"train": "train"},
        labels={"smile": Label("smile")},
        licence="public use with acknowledgement; see the README that comes with it",
        description="GENKI-4K: photos from the web, smiling or not, with the pose of the head",
        homepage="https://inc.ucsd.edu/mplab/398/",
        needs=("GENKI-4K/labels.txt", "GENKI-4K/files"),
        instructions="Get genki4k.tar from inc.ucsd.edu/mplab/398; put its labels.txt and files/ into GENKI-4K/.",
    ),
    DataSet(
        name="imdb_clean",
        splits={"train": "train", "validation": "valid", "test": "test"},
        labels={"age": Label("age"), "gender": Label("gender", {"M": "male", "F": "female"})},
        identity="person",
        licence="academic research only",
        description="IMDB-Clean: the cleaned part of IMDB-WIKI, photos of people in films",
        homepage="https://github.com/yiminglin-ai/imdb-clean",
        needs=("imdb-clean-1024/[0-9][0-9]", *(f"imdb-clean-1024/imdb_{s}_new_1024.csv" for s in _IMDB_SPLITS)),
        instructions="Run run_all.sh of the owner's repository; put the folder imdb-clean-1024/ that it makes there, "
        "and imdb_{train,valid,test}_new_1024.csv into it.",
    ),
    DataSet(
        name="imdb_wiki",
        splits={"train": "train"},
        labels={"age": Label("age"), "gender": Label("gender", {"0": "female", "1": "male"})},
        identity="person",
        licence="academic research only",
        description="IMDB-WIKI: 523,051 faces from IMDb and Wikipedia with unchecked labels; imdb_clean is cleaned",
        homepage="https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/",
        needs=("imdb_crop/imdb.mat", "wiki_crop/wiki.mat"),
        instructions="Get imdb_crop.tar and wiki_crop.tar (faces only) from the owner's page, unpack them and put the "
        "folders imdb_crop/ and wiki_crop/ there.",
    ),
    DataSet(
        name="morph2",
        splits={"train": "train"},
        labels={"age": Label("age"), "gender": Label("gender", {"M": "male", "F": "female"})},
        identity="id_num",
        groups=("race",),
        licence="by agreement with the owner, non-commercial",
        description="MORPH Album 2: 55,134 mugshots of 13,617 people aged 16 to 77",
        homepage="https://www.faceaginggroup.com/morph/",
        needs=("MORPH_nonCommercial/Album2", "MORPH_nonCommercial/morph_2008_nonCommercial.csv"),
        instructions="Sign the owner's agreement for the non-commercial release of Album 2; put its folder "
        "MORPH_nonCommercial/, with morph_2008_nonCommercial.csv and Album2/ in it, there.",
    ),
    DataSet(
        name="smiles",
        splits={"train": "train"},
        labels={"smile": Label("smile")},
        licence="research only, as Labeled Faces in the Wild, from which its pictures are",
        description="SMILEs: grey 64x64 faces from Labeled Faces in the Wild, smiling or not",
        homepage="https://github.com/hromi/SMILEsmileD",
        needs=("SMILEs/positives", "SMILEs/negatives"),
        instructions="Get SMILEs from github.com/hromi/SMILEsmileD; put its positives/ and negatives/ into SMILEs/.",
    ),
    DataSet(
        name="utkface",
        splits={"train": "train"},
        labels={"age": Label("age"), "gender": Label("gender")},
        groups=("race",),
        licence="non-commercial research only",
        description="UTKFace: aligned and cropped faces from the web; age, gender and race estimated by annotators",
        homepage="https://susanqq.github.io/UTKFace/",
        needs=("UTKFace",),
        instructions="Get the aligned and cropped faces from susanqq.github.io/UTKFace; put the images into UTKFace/.",
    ),
)

CATALOGUE = {entry.name: entry for entry in _ENTRIES}


def missing_files(entry: DataSet, manual_dir: str | pathlib.Path) -> list[str]:
    """What the data set needs and the manual folder lacks."""
    folder = pathlib.Path(manual_dir)
    return [need for need in entry.needs if next(folder.glob(need), None) is None]


def check_files(entry: DataSet, manual_dir: str | pathlib.Path) -> None:
    """Raises UserError, saying where to get the files and where to put them, where some are missing."""
    missing = missing_files(entry, manual_dir)
    if missing:
        raise UserError(
            f"Data set {entry.name}: no {', '.join(missing)} below {manual_dir}. "
            f"{entry.instructions} ({entry.homepage})"
        )
