from pathlib import Path

from scribbleseg.recipes.metrics_log import MetricsLog


def test_rows_are_on_disk_as_soon_as_they_are_logged(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m.csv")
    log.log_metrics({"loss": 0.1, "epoch": 0}, step=9)
    log.log_metrics({"loss": 1 / 3, "epoch": 0}, step=19)
    assert (tmp_path / "m.csv").read_text() == f"step,epoch,loss\n9,0,0.1\n19,0,{1 / 3!r}\n"
    log.log_metrics({"val": 0.5}, step=19)  # a new column
    assert (
        tmp_path / "m.csv"
    ).read_text() == f"step,epoch,loss,val\n9,0,0.1,\n19,0,{1 / 3!r},\n19,,,0.5\n"


def test_a_resumed_run_continues_the_log_of_an_uninterrupted_one(tmp_path: Path) -> None:
    rows = [
        (9, {"loss": 0.1}),
        (19, {"loss": 0.2}),
        (20, {"val": 0.3}),
        (29, {"loss": 0.4}),
        (39, {"loss": 0.5}),
    ]
    whole = MetricsLog(tmp_path / "whole.csv")
    for step, values in rows:
        whole.log_metrics(values, step)
    killed = MetricsLog(tmp_path / "killed.csv")
    for step, values in rows[:4]:  # checkpoint at step 20, killed after step 29
        killed.log_metrics(values, step)
    resumed = MetricsLog(tmp_path / "killed.csv")
    for step, values in rows[3:]:
        resumed.log_metrics(values, step)
    assert (tmp_path / "killed.csv").read_text() == (tmp_path / "whole.csv").read_text()
