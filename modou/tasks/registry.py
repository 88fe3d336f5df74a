"""The tasks by name, for `modou task`, `modou align` and `--judge`."""

from modou.corpora.named import STORYTELLERS
from modou.messages import UserError
from modou.tasks.base import Facts, Task
from modou.tasks.poems.task import Poems
from modou.tasks.storyteller.task import storyteller

EXACT = Task()
"""The task of questions that name none."""
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        EXACT,
        Poems(),
        *map(storyteller, STORYTELLERS),
    )
}


def named_task(name: str) -> Task:
    """The task of that name. UserError: no task with data and a recipe has it."""
    names = [task.name for task in TASKS.values() if task.recipe.stages]
    if name not in names:
        raise UserError("align.no_such_task", name=name[:60], names=", ".join(names))
    return TASKS[name]


def task_of(facts: Facts) -> Task:
    """The task that a question belongs to. UserError: an unknown task."""
    name = str(facts.get("task", EXACT.name))
    if name not in TASKS:
        raise UserError("align.no_such_task", name=name[:60], names=", ".join(TASKS))
    return TASKS[name]
