"""What schemathesis must know of Muara beside its OpenAPI: what is declared, and that streams end only when asked to.

Counts the answers by operation and status, for the test to see that something was reached at all.
"""

import atexit
import json
import os

import schemathesis

# By parameter of a path, what exists.
KNOWN = json.loads(os.environ["KNOWN"])
# By operation, bodies that are taken.
BODIES = json.loads(os.environ["BODIES"])
# The token of the run must not revoke itself.
OWN_TOKEN = os.environ["OWN_TOKEN"]
# Whether each feature is on by default: what the document says holds for an origin where nobody has switched any.
FEATURES = json.loads(os.environ["FEATURES"])
turns = {}
answers = {}


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Three times of four what exists, where something does."""
    for name in path_parameters or {}:
        values = KNOWN.get(context.operation.path, {}).get(name) or KNOWN.get(name)
        turn = turns[name] = turns.get(name, 0) + 1
        if values and turn % 4:
            path_parameters[name] = values[turn % len(values)]
    return path_parameters


@schemathesis.hook
def map_body(context, body):
    """Half of the time one that is taken, where there is one."""
    operation = f"{context.operation.method.upper()} {context.operation.path}"
    bodies = BODIES.get(operation)
    turn = turns[operation] = turns.get(operation, 0) + 1
    return bodies[turn // 2 % len(bodies)] if bodies and turn % 2 else body


def ends_late(value):
    try:
        return not 0 < float(value) <= 1
    except (TypeError, ValueError):
        return False  # whatever that is, it opens no stream


def shorten(values):
    """A stream asked for is one of a second. What is no number stays: it has to be refused."""
    for name in ("stream_timeout", "batch_flush_timeout", "commit_timeout"):
        if ends_late(values.get(name, 0)):
            values[name] = 1


@schemathesis.hook
def before_call(context, case, kwargs):
    method, path = case.operation.method.upper(), case.operation.path
    if method == "DELETE" and path == "/v1/tokens/{id}" and case.path_parameters.get("id") == OWN_TOKEN:
        case.path_parameters["id"] = "0" * 12
    if method == "POST" and path == "/settings/features" and isinstance(case.body, dict):
        feature = case.body.get("feature")
        if isinstance(feature, str) and feature in FEATURES and isinstance(case.body.get("enabled"), bool):
            case.body["enabled"] = FEATURES[feature]
    if path not in ("/event-types/{name}/events", "/subscriptions/{id}/events"):
        return
    if method == "GET":
        if not isinstance(case.query, dict):
            case.query = {}
        shorten(case.query)
    elif path.startswith("/subscriptions/") and isinstance(case.body, dict):
        shorten(case.body)


@schemathesis.hook
def after_call(context, case, response):
    statuses = answers.setdefault(f"{case.operation.method.upper()} {case.operation.path}", {})
    status = str(response.status_code)
    statuses[status] = statuses.get(status, 0) + 1


@atexit.register
def write_answers():
    with open(os.environ["ANSWERS"], "w", encoding="utf-8") as file:
        json.dump(answers, file)
