import json

from pixelbeam.transforms.ledger import Ledger
from pixelbeam.transforms.shards.plan import PLAN_FILE, Plan, SplitPlan
from support import IMAGE_SCHEMA


def test_a_plan_comes_back():
    schema = IMAGE_SCHEMA.with_vocabularies({"label": ("b", "a")})
    splits = {"train": SplitPlan(30, 2), "val": SplitPlan(0, 1)}
    plan = Plan(schema, splits, 31, Ledger({"seen": 2}), ("a warning",))
    assert Plan.from_json(plan.to_json()) == plan
    assert json.loads(plan.to_json())["splits"] == {
        "train": {"num_rows": 30, "num_shards": 2},
        "val": {"num_rows": 0, "num_shards": 1},
    }
    assert PLAN_FILE == ".pixelbeam/plan.json"


def test_what_is_not_said_is_none():
    plan = Plan(IMAGE_SCHEMA, {}, 0)
    assert Plan.from_json(plan.to_json()) == plan == Plan(IMAGE_SCHEMA, {}, 0, Ledger(), ())
