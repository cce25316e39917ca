"""The ledger: what makes an entry stale, in which order things are done, what is said of failures, and that README and
results.md are what it says."""
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minigen import cli, data, recipes
from minigen.ledger import book, fingerprint, render, reproduce
from minigen.ledger.settings import BESIDE, HOUR, Setting, settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
in_the_repository = pytest.mark.skipif(not DOCS.is_dir(), reason="docs/ is in the repository")


# Fingerprints


def prints(*names):
    for cached in fingerprint._recipe_source, fingerprint.origin:  # not `forget`: _source is another here
        cached.cache_clear()
    return {name: fingerprint.fingerprint(Setting(name)) for name in names}


@pytest.fixture
def edited(monkeypatch):
    """edited(module, old, new): as if the module's file had been edited. Undone at the end."""
    source, texts = fingerprint._source, {}
    monkeypatch.setattr(fingerprint, "_source", lambda module: texts.get(module) or source(module))

    def edit(module, old, new):
        text = texts.get(module) or source(module)
        assert old in text
        texts[module] = text.replace(old, new, 1)

    yield edit
    texts.clear()
    prints()


def changed(edited, *edit, names=("vae", "gan", "vq_pixelcnn", "ddpm")):
    before = prints(*names)
    edited(*edit)
    after = prints(*names)
    return {name for name in names if before[name] != after[name]}


@pytest.mark.parametrize("edit, stale", [
    (("minigen.models.autoencoders.vae", "class VAE", "import cmath\nclass VAE"), {"vae"}),
    (("minigen.models.codes.vqvae", "return", "return 0 or"), {"vq_pixelcnn"}),  # of its part
    (("minigen.nn.unet", "return", "return 0 or"), {"ddpm"}),
    (("autograd.tensor", "return", "return 0 or"), {"vae", "gan", "vq_pixelcnn", "ddpm"}),
    (("minigen.recipes.diffusion", "width=16", "width=18"), {"ddpm"}),  # in a function that the recipe calls
    (("minigen.recipes.adversarial", "steps=5000", "steps=5001"), {"gan"}),
    (("minigen.recipes.adversarial", "n_critic", "critics"), set()),  # not of these recipes
    (("minigen.models.autoencoders.vae", '"""', '"""Once more: '), set()),
    (("minigen.models.autoencoders.vae", "\n\n\n", "\n\n\n# why\n\n\n"), set()),
    (("minigen.models.autoencoders.vae", "# (N, Z)", "# (N, Z); course 4.4"), set()),
    (("minigen.models.autoencoders", "from .vae", "from .new import New as New\nfrom .vae"), set()),  # a new model
    (("minigen.train", "return", "return 0 or"), set()),  # shared by all, held by tests
], ids=lambda value: value[0] if len(value) == 3 else "")
def test_what_makes_an_entry_stale(edited, edit, stale):
    if edit[1] == "n_critic":
        edit = edit[0], "steps=1000 if", "steps=1001 if"
    assert changed(edited, *edit) == stale


def test_the_setting_belongs_to_a_fingerprint(monkeypatch):
    own = fingerprint.fingerprint(Setting("vae"))
    assert own == fingerprint.fingerprint(Setting("vae", "mnist10k")) and len(own) == 16
    assert len({own, fingerprint.fingerprint(Setting("vae", "digits")), fingerprint.fingerprint(Setting("vae", "", 9))}) == 3
    monkeypatch.setattr(fingerprint, "GENERATION", 2)
    assert own != fingerprint.fingerprint(Setting("vae"))


def test_names_are_followed_through_packages_to_their_files():
    assert fingerprint.origin("minigen.models.autoencoders.VAE") == "minigen.models.autoencoders.vae"
    assert fingerprint.origin("autograd.conv2d") == "autograd.conv" and fingerprint.origin("numpy.exp") is None
    assert "minigen.models.adversarial.gan" in fingerprint.files(Setting("dcgan"))  # which plays its game
    assert not any(name.startswith("minigen.models.codes") for name in fingerprint.files(Setting("dcgan")))


# What is done, and in which order


def test_settings_are_sound():
    quick = settings("quick")
    families = recipes.registry.FAMILIES  # tests register more
    assert {setting.recipe for setting in quick if recipes.find(setting.recipe).family in families} == {
        listed.name for listed in recipes.catalogue() if listed.family in families}
    for setting in [*quick, *settings("hour")]:
        assert setting.data in recipes.find(setting.recipe).accepts
    assert len(set(settings("hour"))) == len(HOUR) and not set(settings("hour")) & set(quick)
    assert len({*BESIDE}) == len(BESIDE)


def test_parts_come_first():
    quick = settings("quick")
    assert all(quick.index(part) < quick.index(setting) for setting in quick for part in setting.parts.values())
    assert [setting.command for setting in settings("quick", ["vq_pixelcnn:digits"])] == [
        "minigen train vqvae --data digits", "minigen train vq_pixelcnn --data digits"]
    assert [setting.command for setting in settings("hour", ["dvae"])] == [
        "minigen train dvae --data binarized_mnist --steps 20000"]


@pytest.mark.parametrize("names, message", [
    (["veha"], "no recipe is called 'veha'"), (["vae:qm9"], "'vae' is not made for qm9"),
    (["gan"], "'gan' is not among what is reproduced at scale hour")])
def test_mistakes(names, message):
    with pytest.raises(ValueError, match=message):
        settings("hour", names)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder; processes are calls in this one."""
    monkeypatch.chdir(tmp_path)
    calls = []

    def process(self, log, module, *words):
        calls.append((module, *words))
        if module != "minigen":
            return {}
        if status := cli.main(list(words)):
            raise RuntimeError(f"status {status}")
        return {"seconds": 1.0, "cpu_seconds": 2.0, "peak_memory_mb": 50}

    monkeypatch.setattr(reproduce.Work, "_process", process)
    monkeypatch.setattr(reproduce.Work, "_estimate", lambda self, setting, entries: {
        "seconds": 100 - len(setting.recipe), "parameters": 7})
    load = data.load
    monkeypatch.setattr(data, "load", lambda *which, **how: load(*which, **how).first(60))
    return calls


def test_it_trains_measures_writes_down_and_does_nothing_twice(here, capsys):
    assert cli.main(["reproduce", "independent_pixels", "markov_chain"]) == 0
    out = capsys.readouterr().out
    assert "about 2 min 50 s" in out and re.search(r"\[1/2\] minigen train independent_pixels: \d+ s; NLL \d", out)
    entry = book.load("reproduced/results.json")[0]
    assert entry["command"] == "minigen train independent_pixels" and entry["split"] == "test" and entry["examples"] == 60
    assert entry["measures"][0]["name"] == "NLL" and entry["measures"][0]["half_width"] > 0
    assert (entry["seconds_in_all"], entry["cpu_seconds_in_all"], entry["peak_memory_mb"]) == (2, 4, 50)
    assert {"cpu", "cores", "threads"} <= set(entry["machine"]) and entry["versions"]["numpy"]
    assert str(Path.cwd()) not in json.dumps(entry)
    results = Path("reproduced/results.md").read_text()
    assert "| `minigen train independent_pixels` | digits test, 60 | NLL" in results and ", *stale*" not in results
    folder = f"independent_pixels-digits-{entry['fingerprint'][:8]}"  # so that who was killed finds it again
    assert here[0] == ("minigen", "train", "independent_pixels", "--resume", "--out", str(Path("reproduced", folder).absolute()))
    number = len(here)
    assert cli.main(["reproduce", "independent_pixels"]) == 0
    assert len(here) == number and "all 1 of these are in" in capsys.readouterr().out


def test_a_failure_is_told_and_the_next_begun(here, capsys, monkeypatch):
    process = reproduce.Work._process

    def unlucky(self, log, module, *words):
        if "vqvae" in words:
            raise RuntimeError("status 2, minigen: out of luck")
        return process(self, log, module, *words)

    monkeypatch.setattr(reproduce.Work, "_process", unlucky)
    assert cli.main(["reproduce", "vq_pixelcnn:digits", "markov_chain"]) == 1
    out = capsys.readouterr().out
    assert "minigen train vqvae --data digits: failed: status 2, minigen: out of luck" in out
    assert "vq_pixelcnn --data digits: failed: its part failed: minigen train vqvae --data digits" in out
    assert "1 done, 2 failed" in out and [entry["recipe"] for entry in book.load("reproduced/results.json")] == ["markov_chain"]


def test_what_was_measured_outlives_a_picture_that_fails(here, capsys, monkeypatch):
    def unlucky(*args):
        raise RuntimeError("no paint")

    monkeypatch.setattr(reproduce.Work, "_draw", unlucky)
    assert cli.main(["reproduce", "markov_chain"]) == 0
    assert "not drawn: no paint" in capsys.readouterr().out and len(book.load("reproduced/results.json")) == 1


def test_sources_that_are_edited_meanwhile_are_noticed(here, capsys, monkeypatch):
    seen = iter("abcdefg")
    monkeypatch.setattr(reproduce, "fingerprint", lambda setting: "0" * 16)
    assert cli.main(["reproduce", "markov_chain"]) == 0
    Path("reproduced/results.json").unlink()
    monkeypatch.setattr(reproduce.sources, "forget", lambda: monkeypatch.setattr(
        reproduce, "fingerprint", lambda setting, letter=next(seen): 16 * letter))
    assert cli.main(["reproduce", "markov_chain"]) == 1
    assert "its sources were edited meanwhile" in capsys.readouterr().out and not book.load("reproduced/results.json")


def test_a_part_without_its_run_is_trained_though_its_numbers_are_known(here, tmp_path):
    chosen = settings("quick", ["vq_pixelcnn:digits"])
    part = chosen[0]
    ledger = tmp_path / "ledger.json"
    book.save(ledger, [{"kind": "reproduced", "command": part.command, "fingerprint": fingerprint.fingerprint(part)}])
    assert reproduce.Work(tmp_path, ledger, chosen).todo == chosen
    assert reproduce.Work(tmp_path, ledger, [part]).todo == []


def test_a_process_is_measured_and_its_last_words_are_told(tmp_path, monkeypatch):
    work = reproduce.Work(tmp_path, tmp_path / "results.json", [])
    script = tmp_path / "busy.py"
    script.write_text("import sys\nx = bytearray(40_000_000)\nprint('so be it')\nsys.exit(len(sys.argv) - 1)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    used = work._process(tmp_path / "log.txt", "busy")
    assert used["seconds"] > 0 and used["cpu_seconds"] > 0 and 40 < used["peak_memory_mb"]
    with pytest.raises(RuntimeError, match="status 1, so be it"):
        work._process(tmp_path / "log.txt", "busy", "word")


def test_a_signal_ends_the_process_and_then_the_work(tmp_path):
    work = reproduce.Work(tmp_path, tmp_path / "results.json", [])
    work.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(reproduce.Stopped) as stopped:
        work._stop(signal.SIGTERM, None)
    assert stopped.value.args == (143,) and work.process.returncode == -signal.SIGTERM


# The files


def test_floors_are_read_from_details():
    detail = {"N = 447 against the test split; the training set: 4.351": "4.351",
              "share, N = 5; the training set: 6.8 ± 14": "6.8 ± 14", "counts 1 2; the training set: 47 45 46": None,
              "exact": None}
    figures = [{"value": 106.36517158775379, "half_width": None, "detail": text} for text in detail]
    assert [m["floor"] for m in book.measures(figures)] == list(detail.values())
    assert book.measures(figures)[0]["value"] == 106.3652 and book.measures(figures)[0]["half_width"] is None


def test_an_entry_replaces_the_earlier_one_of_its_command(tmp_path):
    path = tmp_path / "ledger.json"
    entry = {"kind": "reproduced", "command": "a", "n": 1}
    book.add(path, entry)
    book.add(path, {**entry, "command": "b"})
    assert [e["n"] for e in book.add(path, {**entry, "n": 2})] == [2, 1] and book.load(path)[0]["n"] == 2
    path.write_text("{")
    with pytest.raises(ValueError, match="damaged, or no ledger"):
        book.load(path)


@in_the_repository
def test_readme_and_results_are_what_the_ledger_says():
    ledger = DOCS / "results.json"
    assert not render.outdated(ledger, book.load(ledger)).keys(), "run: python docs/results.py"


@in_the_repository
def test_readme_has_eight_rows_of_different_families():
    entries = [entry for entry in book.load(DOCS / "results.json") if entry.get("readme")]
    assert len(entries) == 8 == len({entry["family"] for entry in entries})


@in_the_repository
def test_the_commands_of_the_ledger_are_there():
    """They are parsed, not run: test_recipes.py and test_examples.py run every recipe and every example."""
    commands = [command for entry in book.load(DOCS / "results.json")
                for command in re.findall(r"((?:minigen|python) [^`]+)", entry["command"])]
    assert len(commands) > 60
    for command in commands:
        program, *words = command.split()
        if program == "python":
            assert (ROOT / words[0]).is_file(), command
        else:
            args, _ = cli._parser().parse_known_args(words if words != ["evaluate"] else ["evaluate", "runs/vae"])
            if words[0] == "train":
                known = recipes.find(args.recipe)
                assert (args.data or known.data) in known.accepts, command


@in_the_repository
def test_published_figures_have_recipes_and_sources():
    for row in json.loads((DOCS / "published.json").read_text(encoding="utf-8")):
        assert recipes.find(row["recipe"]) and row["data"] in recipes.find(row["recipe"]).accepts
        assert row["source"] and row["published"] and row["why"] and row["measure"]


@in_the_repository
def test_the_gallery_is_light():
    pictures = list((DOCS / "gallery").glob("*.png"))
    assert all(path.stat().st_size < 100_000 for path in pictures)
    assert all(path.stat().st_size < 300_000 for path in (DOCS / "gallery").glob("*.gif"))
    assert (DOCS / "overview.png").stat().st_size < 600_000
