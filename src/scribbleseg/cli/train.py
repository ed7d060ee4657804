"""The commands on runs, ``fit`` to ``pseudolabel``: Lightning's command line."""

import contextlib
import itertools
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from jsonargparse import ArgumentError
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger

import scribbleseg.methods  # short class names are found among imported classes
import scribbleseg.networks  # noqa: F401
from scribbleseg.annotation.id_list import some
from scribbleseg.cli.configs import (
    CONFIG_OPTIONS,
    check_same_config,
    scored_otherwise,
    with_config,
)
from scribbleseg.cli.console import plain_console, say
from scribbleseg.cli.explain import explain
from scribbleseg.cli.labels import add_label_arguments, predict, write_pseudo_labels
from scribbleseg.cli.leader import is_leader, quieten
from scribbleseg.cli.plain_words import in_plain_words, refused_option
from scribbleseg.cli.progress import LineProgress
from scribbleseg.cli.run_options import STEERING, Command, add_run_arguments
from scribbleseg.cli.scored_run import score_run
from scribbleseg.data.datamodule import ScribbleDataModule
from scribbleseg.errors import ConfigError, Interrupted, ScribblesegError
from scribbleseg.evaluation import Report
from scribbleseg.inference import LabelWriter
from scribbleseg.methods.base import SegmentationTask
from scribbleseg.recipes.checkpoint import (
    CheckpointWriter,
    VerifiedCheckpoints,
    check_identity,
    load_weights,
    read_checkpoint,
)
from scribbleseg.recipes.finite_steps import FiniteSteps
from scribbleseg.recipes.interruption import Interruption
from scribbleseg.recipes.metrics_log import MetricsLog
from scribbleseg.recipes.reproducibility import Reproducible
from scribbleseg.recipes.run_cost import RunCost, write_cost
from scribbleseg.recipes.run_folder import Mode, RunFolder

__all__ = ["run"]

log = logging.getLogger(__name__)


def run(command: Command, argv: Sequence[str]) -> int:
    """Run one of the five commands.

    Raises:
        ScribblesegError: Anything a user can mend.
    """
    quieten()
    try:
        cli = TrainingCLI(command, with_config(command, list(argv)))
    except Exception as error:
        plain = refused_option(error)
        if plain is not None and plain is not error:
            raise plain from error
        raise
    try:
        getattr(cli, command)()
    except Exception as error:
        plain = in_plain_words(error, cli.datamodule, training=cli.trainer.state.fn == "fit")
        if plain is not None:
            raise plain from error
        raise
    return 0


class TrainingCLI(LightningCLI):
    """Parses the arguments, builds data, method and trainer; each command is a method.

    Args:
        command: Which command runs.
        argv: Its arguments.
    """

    def __init__(self, command: Command, argv: Sequence[str]) -> None:
        self.command = command
        super().__init__(
            SegmentationTask,
            ScribbleDataModule,
            subclass_mode_model=True,
            save_config_callback=None,
            trainer_defaults={
                "enable_model_summary": False,
                "log_every_n_steps": 10,
                "num_sanity_val_steps": 0,
                "use_distributed_sampler": False,  # ours counts no sample twice
            },
            parser_kwargs={
                "prog": f"scribbleseg {command}",
                # Lightning's parser accepts any unique prefix of an option, also a misspelt one.
                "allow_abbrev": False,
                "exit_on_error": False,
            },
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            run=False,
            args=list(argv),
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, and explain in one line what is wrong."""
        try:
            self.config = parser.parse_args(args)
        except ArgumentError as error:
            configs = [value for name, value in itertools.pairwise(args) if name in CONFIG_OPTIONS]
            raise ConfigError(explain(error, parser, configs, args)) from None
        # An empty section would take the place of the defaults, and with them of our callbacks.
        for section in ("trainer", "data", "model"):
            if not self.config.get(section):
                raise ConfigError(
                    f"section '{section}:' of the config is empty; fill it in or take the line out"
                )

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The options of a run."""
        add_run_arguments(self.command, parser)
        if self.command in {"predict", "pseudolabel"}:
            add_label_arguments(self.command, parser)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """What one part of the config takes from another."""
        parser.link_arguments("seed_everything", "data.seed")
        for name in ("class_names", "in_channels", "ignore_index"):
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")

    def before_instantiate_classes(self) -> None:
        """Name the run folder, and refuse what the trainer would only divide by."""
        if self.config.trainer.val_check_interval == 0:
            raise ConfigError(
                "trainer.val_check_interval is 0; expected steps, or a share of an epoch above 0"
            )
        self.run_folder = RunFolder(Path(self.config.run or self._default_run()))

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """The trainer, with what every run has: checkpoints, logs, progress, label maps on disk."""
        assert isinstance(self.datamodule, ScribbleDataModule)
        folder, layout, on_terminal = self.run_folder, self.datamodule.layout, sys.stdout.isatty()
        callbacks: list[L.Callback] = [
            Reproducible(self.config.seed_everything),
            RichProgressBar() if on_terminal else LineProgress(),
        ]
        self.writer = CheckpointWriter(folder.checkpoints, every=self.config.save_every)
        self.interruption = Interruption(self.writer)
        if self.command == "fit":
            bad_steps = FiniteSteps(
                folder.path / "bad_steps.jsonl", patience=self.config.max_bad_steps
            )
            self.cost = RunCost()
            callbacks += [self.interruption, bad_steps, self.cost, self.writer]
        if self.command in {"validate", "test"}:
            callbacks.append(self.interruption)
        if self.command in {"fit", "test"}:
            callbacks.append(LabelWriter(folder.path / "predictions", layout.palette))
        self.trainer_defaults["callbacks"] = callbacks
        loggers = [
            MetricsLog(folder.path / "metrics.csv"),
            TensorBoardLogger(folder.path, name="", version="events"),
        ]
        logger = loggers if self.command == "fit" else False
        given = self.config_init.trainer.plugins or []
        plugins: list[Any] = [
            VerifiedCheckpoints(),
            *(given if isinstance(given, list) else [given]),
        ]
        if SLURMEnvironment.detect():
            # Our own reaction to SIGTERM saves between two batches; requeueing is the scheduler's.
            plugins.append(SLURMEnvironment(auto_requeue=False))
        return super().instantiate_trainer(
            logger=logger,
            enable_progress_bar=on_terminal,
            enable_checkpointing=False,  # CheckpointWriter does it
            plugins=plugins,
            **kwargs,
        )

    def fit(self) -> None:
        """Train in a run folder, then test the last weights."""
        mode: Mode = (
            "resume" if self.config.resume else "overwrite" if self.config.overwrite else "new"
        )
        if self.config.resume and self.config.overwrite:
            raise ConfigError("--resume and --overwrite exclude each other")
        with self.interruption:
            if is_leader():
                # Everything that can be refused is refused before the folder is touched.
                self.run_folder.check(mode)
                self.datamodule.prepare_data()
                self.datamodule.setup("fit")
                self.model.check_supervision(self.datamodule.train_supervision)
            last = self.run_folder.last if mode == "resume" else None
            if last is not None:
                check_identity(self.model, read_checkpoint(last), last)
            if mode == "resume":
                check_same_config(self.run_folder.config, self._experiment())
                if is_leader() and self.run_folder.status().get("state") == "done":
                    say(
                        f"{self.run_folder.path}: its training is complete and is not done again, "
                        "whatever its data are now; for that give --overwrite, or another --run"
                    )
            if last is None and self.config.initial_weights is not None:
                # Imported here: only this reads what others have written.
                from scribbleseg.exchange import initialise

                initialise(self.model.net, self.config.initial_weights)
            if is_leader():
                self._open_run(mode)
                if mode == "resume" and last is None:
                    log.info("no checkpoint was written yet; training begins at step 0")
            self._train_and_test(last)

    def _train_and_test(self, last: Path | None) -> None:
        """Train from the checkpoint ``last``, or from the start, and test; keep the status."""
        lead, folder = self.trainer.is_global_zero, self.run_folder
        try:
            self.trainer.fit(self.model, self.datamodule, ckpt_path=last, weights_only=True)
            if lead:
                write_cost(folder, self.cost, self.trainer.global_step)
            self.interruption.raise_if_asked(self.trainer)
            if self.datamodule.lists["test"] is not None:
                self._test(load_weights(self.model, folder.checkpoint("last")))
        except Interrupted as error:
            if lead:
                folder.write_status("interrupted", error=str(error), steps=self.trainer.global_step)
            raise
        except BaseException as error:
            if lead:
                with contextlib.suppress(OSError):  # the error itself may be that the disk is full
                    folder.write_status("failed", error=f"{type(error).__name__}: {error}")
            raise
        else:
            if lead:
                folder.write_status("done", steps=self.trainer.global_step)
                say(f"run folder: {folder.path}")
        finally:
            if lead:
                folder.close()

    def validate(self) -> None:
        """Score a checkpoint on the validation images."""
        with self.interruption, self._folder():
            load_weights(self.model, self.run_folder.checkpoint(self.config.checkpoint))
            self.datamodule.prepare_data()
            self.trainer.validate(self.model, self.datamodule, verbose=False)
            if self.trainer.is_global_zero:
                images = len(self.datamodule.names("val"))
                self._publish(
                    "val", Report(images, tuple(self.datamodule.class_names), self.model.confusion)
                )

    def test(self) -> None:
        """Predict, score and draw the test images with a checkpoint."""
        with self.interruption, self._folder():
            steps = load_weights(self.model, self.run_folder.checkpoint(self.config.checkpoint))
            self.datamodule.prepare_data()
            self._test(steps)

    @contextlib.contextmanager
    def _folder(self) -> Iterator[None]:
        """The run's folder for this process alone, whose scores are written there."""
        lead = is_leader() and self.run_folder.path.is_dir()
        if lead:
            self.run_folder.lock.acquire()
        try:
            yield
        finally:
            if lead:
                self.run_folder.close()

    def predict(self) -> None:
        """Predict pictures with a checkpoint: index PNGs of their size, and overlays."""
        predict(self)

    def pseudolabel(self) -> None:
        """Write the labels of the next stage with a checkpoint."""
        write_pseudo_labels(self)

    def _test(self, steps: int) -> None:
        # With fewer images than processes some have nothing to do.
        self.datamodule.allow_zero_length_dataloader_with_multiple_devices = True
        self.trainer.test(self.model, self.datamodule, verbose=False)
        # Nobody goes on to read the files before every process has written its own.
        self.trainer.strategy.barrier()
        if not self.trainer.is_global_zero:
            return
        picture, page = score_run(
            self.run_folder,
            self.datamodule,
            self.model,
            lambda report: self._publish("test", report),
            checkpoint=self.tested,
            steps=steps,
            config=self._experiment(),
        )
        say(f"picture: {picture}")
        say(f"report: {page}")
        self._warn_of_training_images()

    def _warn_of_training_images(self) -> None:
        """A network knows the images it has learned from."""
        with contextlib.suppress(ScribblesegError):  # a test needs no list of training images
            test = self.datamodule.names("test")
            known = {*test} & {*self.datamodule.names("train")}
            if known:
                log.warning(
                    "%d of %d test images are among the training images (%s): scores of them say "
                    "little of others; list images for data.test that data.train has not",
                    len(known),
                    len(test),
                    some(sorted(known)),
                )

    @property
    def tested(self) -> str:
        """Name or path of the checkpoint that is tested."""
        return "last" if self.command == "fit" else str(self.config.checkpoint)

    def _publish(self, split: str, report: Report) -> None:
        report.print(plain_console())
        metrics, text = {"checkpoint": self.tested, **report.as_dict()}, report.as_text()
        source = self.datamodule.evaluation_tags
        if source != "none":
            oracle = ", an oracle" if source == "mask" else ""
            note = f"the classes of each image were known, from its {source}{oracle}"
            say(note)
            metrics["evaluation_tags"], text = source, f"{text}{note} (data.evaluation_tags)\n"
        stored = self.run_folder.config
        if stored.is_file() and (changed := scored_otherwise(stored, self._experiment())):
            metrics["changed_options"] = changed
        self.run_folder.add_metrics(split, metrics, text)

    def _open_run(self, mode: Mode) -> None:
        before = self.run_folder.environment().get("training", {}) if mode == "resume" else {}
        now = len(self.datamodule.train_dataset())
        if before.get("images", now) != now:
            log.warning(
                "%s: trained on %d images until now, on %d from here on: the run is no longer "
                "that of one dataset; --overwrite would begin anew",
                self.run_folder.path, before["images"], now,
            )  # fmt: skip
        self.run_folder.open(mode)
        config_hash = self.run_folder.write_config(self._experiment())
        audit, listed = self.datamodule.check_training(), self.datamodule.names("train")
        facts = {
            "seed": self.config.seed_everything,
            "device": str(self.trainer.strategy.root_device),
            "processes": self.trainer.world_size,
            "raster": self.datamodule.layout.raster,
            "method": type(self.model).__name__,
            "network": type(self.model.net).__name__,
            "weights": sum(p.numel() for p in self.model.parameters() if p.requires_grad),
            "training": {
                "images": now,
                "supervision": sorted(self.datamodule.train_supervision),
                "labelled_fraction": audit.labelled_fraction,
                # Of all that might have been labelled, also of images that are left out.
                "labelled_share": audit.labelled_fraction * audit.images / len(listed),
            },
        }
        self.run_folder.write_environment(facts)
        self.run_folder.write_status("running", config_sha256=config_hash)

    def _experiment(self) -> str:
        """The complete config without what only steers the command."""
        config = self.config.clone()
        for name in STEERING:
            config.pop(name, None)
        text: str = self.parser.dump(config, skip_none=False, skip_validation=True, format="yaml")
        return text

    def _default_run(self) -> str:
        config = self.config.config
        if config:
            name = Path(str(config[-1])).stem
        else:
            name = self.config.model.class_path.rsplit(".", 1)[-1]
        dataset = self.config.data.layout
        if dataset == "folder":  # everybody's own datasets
            dataset = Path(self.config.data.root).resolve().name
        return f"runs/{dataset}/{name}/seed{self.config.seed_everything}"
