"""The code of docs/sb3.md runs, as one script."""

from __future__ import annotations

from tests.test_readme import ROOT, blocks, run_block


def test_the_code_of_the_page_on_sb3_runs(tmp_path):
    code = "\n".join(code for language, code in blocks(ROOT / "docs/sb3.md") if language == "python")
    files = 'assert sorted(path.name for path in Path("kept").iterdir())[0] == "rl_model_1000_steps.npz", "kept"\n'
    run_block("python", f"from pathlib import Path\n{code}\nassert run.step <= 1000\n{files}", tmp_path)
