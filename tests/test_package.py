"""What `import keras_mtl` does, in processes of their own."""

import subprocess
import sys

import pytest


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_imports_neither_tensorflow_nor_keras():
    show = "print({'keras', 'tensorflow'} & set(sys.modules))"
    assert python(f"import keras_mtl, keras_mtl.data, keras_mtl.training, sys; {show}") == "set()"


def test_naming_tasks_imports_no_numpy():
    """`--help` answers in the time that Python takes to start."""
    assert python("import keras_mtl.tasks, sys; print('numpy' in sys.modules)") == "False"


@pytest.mark.parametrize(
    "imports",
    [
        "import keras, keras_mtl",
        "import keras_mtl, keras",
        "import keras_mtl.heads, keras",
        "import keras_mtl.balancing.grouped, keras",
        "import tensorflow, keras_mtl, keras",
    ],
)
def test_a_saved_model_loads_whichever_is_imported_first(trained_run, imports):
    code = f"{imports}; print(*keras.models.load_model({str(trained_run / 'model.keras')!r}).tasks)"
    assert python(code) == "age gender smile"


def test_a_command_starts_without_scikit_learn_and_leaves_it_to_who_asks():
    code = "import sys; from keras_mtl.quiet import import_tensorflow; import_tensorflow(); "
    code += "print('sklearn' in sys.modules); import sklearn.metrics; print(sklearn.metrics.r2_score([1, 2], [1, 2]))"
    assert python(code) == "False\n1.0"


def test_onednn_is_on_unless_the_user_chose():
    show = "import keras_mtl, os; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    assert python(show) == "1"
    assert python(f"import os; os.environ['TF_ENABLE_ONEDNN_OPTS'] = '0'; {show}") == "0"


def test_an_unknown_name_tells_the_known_ones():
    assert "build_model" in python(
        "import keras_mtl\ntry:\n    keras_mtl.magic\nexcept AttributeError as e:\n    print(e)"
    )
