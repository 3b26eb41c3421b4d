"""What a pipeline does, step by step, and which steps run in one go."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import apache_beam as beam
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.pvalue import AsSideInput, PCollection
from apache_beam.runners.common import DoFnSignature

# What ends a stage: all elements must have come before the first goes on.
Barrier = beam.GroupByKey | beam.CombinePerKey | beam.Reshuffle


@dataclass(frozen=True, eq=False)
class Step:
    """A transform where it stands in a pipeline.

    Args:
        label: Its full name.
        transform: What is done.
        inputs: Collections that it takes.
        outputs: Tag -> collection that it gives; None is the tag of the main one.
        side_inputs: What it reads beside.
    """

    label: str
    transform: beam.PTransform
    inputs: tuple[PCollection, ...]
    outputs: Mapping[Any, PCollection]
    side_inputs: tuple[AsSideInput, ...]

    @property
    def waits(self) -> bool:
        """Whether it begins a stage of its own, since its side inputs must be whole."""
        return bool(self.side_inputs)


class Steps:
    """The steps of a pipeline in an order in which each follows those that it needs.

    Args:
        pipeline: With steps of these kinds alone: Impulse, ParDo (without state, not splittable),
            Flatten, GroupByKey, CombinePerKey and Reshuffle, and what is made of them.

    Raises:
        NotImplementedError: It has a step of another kind.
    """

    def __init__(self, pipeline: beam.Pipeline):
        self._all = tuple(_steps(_root(pipeline)))
        for step in self._all:
            if (kind := _unknown_kind(step.transform)) is not None:
                raise NotImplementedError(f"{step.label}: threads can do no {kind}")

    def __iter__(self) -> Iterator[Step]:
        return iter(self._all)

    @cached_property
    def consumers(self) -> Mapping[PCollection, tuple[Step, ...]]:
        """Collection -> the steps that it is the main input of."""
        consumers: dict[PCollection, tuple[Step, ...]] = {}
        for step in self._all:
            for collection in step.inputs:
                consumers[collection] = (*consumers.get(collection, ()), step)
        return consumers

    @cached_property
    def kept(self) -> Mapping[PCollection, int]:
        """Collection that waits in memory -> how many steps read it."""
        kept: dict[PCollection, int] = {}
        for step in self._all:
            for collection in (*_beside(step), *(step.inputs if step.waits else ())):
                kept[collection] = kept.get(collection, 0) + 1
        return kept


def _beside(step: Step) -> list[PCollection]:
    return [side.pvalue for side in step.side_inputs]


def _unknown_kind(transform: beam.PTransform) -> str | None:
    if isinstance(transform, beam.ParDo):
        signature = DoFnSignature(transform.dofn)
        if signature.is_splittable_dofn() or signature.is_stateful_dofn():
            return "DoFn that is splittable or has state"
        return None
    if isinstance(transform, Barrier | beam.Impulse | beam.Flatten):
        return None
    return type(transform).__name__


def _root(pipeline: beam.Pipeline) -> AppliedPTransform:
    entered: list[AppliedPTransform] = []

    class Visitor(PipelineVisitor):
        def enter_composite_transform(self, transform_node: AppliedPTransform) -> None:
            entered.append(transform_node)

    pipeline.visit(Visitor())
    return entered[0]


def _steps(node: AppliedPTransform) -> Iterator[Step]:
    if node.parts and not isinstance(node.transform, Barrier):
        for part in node.parts:
            yield from _steps(part)
        return
    inputs, outputs = tuple(node.inputs), dict(node.outputs)
    if not set(outputs.values()) <= set(inputs):  # else it hands on what it was given
        yield Step(
            node.full_label,
            cast(beam.PTransform, node.transform),
            cast(tuple[PCollection, ...], inputs),
            cast(dict[Any, PCollection], outputs),
            tuple(node.side_inputs),
        )
