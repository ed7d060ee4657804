"""Loaders of training batches and of pictures to evaluate."""

from collections.abc import Sequence

import lightning as L
import torch
from torch.utils.data import DataLoader

from scribbleseg.annotation.image_file import image_size
from scribbleseg.data.dataset import EvaluationDataset, ScribbleDataset
from scribbleseg.data.layout import Record
from scribbleseg.data.loader_worker import begin_worker
from scribbleseg.data.sample import EvaluationSample, Sample, evaluation_collate, training_collate
from scribbleseg.data.sampler import EpochSampler

__all__ = ["batches_drawn", "evaluation_loader", "of_one_size", "training_loader"]


def training_loader(
    dataset: ScribbleDataset, sampler: EpochSampler, *, num_workers: int
) -> DataLoader[Sample]:
    """Training batches in the sampler's order, both halves of a batch together.

    Args:
        dataset: The images.
        sampler: Order and batch size.
        num_workers: Processes that load data; 0 loads in the training process.
    """
    return DataLoader(
        dataset,
        batch_size=sampler.batch_size + (sampler.weak_batch_size or 0),
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=training_collate,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=begin_worker,
    )


def evaluation_loader(
    dataset: EvaluationDataset,
    batch_size: int,
    num_workers: int,
    rank: int = 0,
    world_size: int = 1,
) -> DataLoader[EvaluationSample]:
    """The images of one process in order.

    Args:
        dataset: The images of all processes.
        batch_size: Images of one process in a step.
        num_workers: Processes that load data; 0 loads in the evaluating process.
        rank: This process.
        world_size: Number of processes.
    """
    return DataLoader(
        dataset,
        batch_size=batch_size,
        # Every image exactly once over all processes: padding the last batch would count some
        # twice.
        sampler=range(rank, len(dataset), world_size),
        num_workers=num_workers,
        collate_fn=evaluation_collate,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=begin_worker,
    )


def of_one_size(records: Sequence[Record]) -> bool:
    """Whether all pictures have one size, by their headers; pages of a file may differ."""
    if any(record.page for record in records):
        return False
    return len({image_size(record.image) for record in records}) == 1


def batches_drawn(trainer: L.Trainer) -> int:
    """Training batches that this process has begun in the whole run, resumed parts included.

    The trainer's own count of epochs and of batches within them is not usable after a resume: it
    depends on where in the epoch the checkpoint was written.
    """
    return int(trainer.fit_loop.epoch_loop.batch_progress.total.ready)
