import pytest

from scribbleseg.data import layouts
from scribbleseg.errors import ConfigError
from scribbleseg.named_module import load_named_module, module_names


def test_modules_of_a_package_and_of_the_user() -> None:
    known = module_names(layouts.__path__)
    assert known == sorted(known)
    assert {"acdc", "voc"} <= set(known)
    assert load_named_module("--x", "layout", "voc", layouts.__name__, known).LAYOUT.name == "voc"
    assert load_named_module("--x", "layout", "os.path", layouts.__name__, known).sep


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("acdd", "--x: no layout 'acdd'; did you mean 'acdc'? known: acdc, voc, or a module path"),
        ("zzz", "--x: no layout 'zzz'; known: acdc, voc"),
        ("no.such", "--x: cannot import 'no.such' (No module named 'no')"),
    ],
)
def test_what_is_not_there(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_named_module("--x", "layout", name, layouts.__name__, ["acdc", "voc"])
    assert message in str(raised.value)
