"""What the shells complete, asked of a real bash; of zsh whether it can read its script."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PE_NFQ = Path(sys.executable).with_name("pe-nfq")

#: What bash does when Tab is pressed behind the last of its arguments.
_TAB = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
function=$(complete -p pe-nfq | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$function" pe-nfq "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """As the verb prints them, in files."""
    directory = tmp_path_factory.mktemp("completion")
    paths = {shell: directory / shell for shell in ("bash", "zsh")}
    for shell, path in paths.items():
        command = [str(PE_NFQ), "completion", shell]
        path.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return paths


def tab(script: Path, *words: str) -> set[str]:
    """The words that bash offers."""
    command = ["bash", "-c", _TAB, "bash", str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=script.parent, timeout=30)
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ru"], {"run", "rules"}),
        (["ad"], {"adm"}),
        (["rules", "l"], {"load"}),
        (["rules", "--ba"], {"--backend"}),
        (["rules", "load", "--backend", "iptables-"], {"iptables-nft", "iptables-legacy"}),
        (["run", "-c", "ba"], {"bash"}),  # a file
    ],
    ids=" ".join,
)
def test_bash_offers_verbs_options_values_and_files(
    scripts: dict[str, Path], words: list[str], offered: set[str]
) -> None:
    """Of the verb at hand."""
    assert tab(scripts["bash"], "pe-nfq", *words) == offered


def test_zsh_can_read_its_script(scripts: dict[str, Path]) -> None:
    """Without running it: `zsh -n`."""
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    assert scripts["zsh"].read_text().startswith("#compdef pe-nfq")
    subprocess.run(["zsh", "-n", scripts["zsh"]], check=True)
