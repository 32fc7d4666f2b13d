import pytest

from keras_mtl.training.precision import choose_precision


@pytest.mark.parametrize(
    "wanted, cpu, gpus, expected",
    [
        ("auto", "flags : fpu avx2", 0, "float32"),
        ("auto", "flags : fpu avx512f avx512_bf16", 0, "bfloat16"),
        ("auto", "flags : fpu amx_bf16", 0, "bfloat16"),
        ("auto", "flags : fpu avx512_bf16_like", 0, "float32"),
        ("auto", "", 0, "float32"),
        ("auto", "", 1, "bfloat16"),
        ("float32", "flags : amx_bf16", 1, "float32"),
        ("bfloat16", "", 0, "bfloat16"),
    ],
)
def test_bfloat16_only_where_the_processor_has_it(wanted, cpu, gpus, expected):
    precision, reason = choose_precision(wanted, cpu, gpus)
    assert precision == expected and reason
