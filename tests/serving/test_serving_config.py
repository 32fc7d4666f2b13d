from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from keras_mtl.serving.serving_config import write_serving_config


def make(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "saved_model.pb").touch()


def test_it_is_what_tensorflow_serving_reads_and_names_every_model(tmp_path):
    make(tmp_path, "faces/1", "faces/12", 'o"dd ä/3')
    (tmp_path / "empty" / "1").mkdir(parents=True)
    (tmp_path / "README.md").touch()
    config = text_format.Parse(
        write_serving_config(tmp_path).read_text(encoding="utf-8"), model_server_config_pb2.ModelServerConfig()
    )
    found = [(one.name, one.base_path, one.model_platform) for one in config.model_config_list.config]
    assert found == [
        ("faces", "/models/faces", "tensorflow"),
        ('o"dd ä', '/models/o"dd ä', "tensorflow"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["README.md", "models.config"]


def test_it_is_written_anew_as_models_come_and_go(tmp_path):
    make(tmp_path, "a/1")
    write_serving_config(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert (
        '"b"' in write_serving_config(tmp_path).read_text() and '"a"' not in write_serving_config(tmp_path).read_text()
    )
