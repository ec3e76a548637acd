"""What may run: exactly one SELECT that only reads. Judged on the parsed statement, never on its text.

A statement's type is not enough: DuckDB 2.0 takes `with x as (copy ... to '...') select ...` as a SELECT,
and that COPY overwrites the very files that the child may read. So every query node of the parsed tree
must be one that reads, and every table function one of a short list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

_READING_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_TABLE_FUNCTIONS = frozenset(
    {
        "range",
        "generate_series",
        "unnest",
        "repeat",
        "json_each",
        "json_tree",
        "duckdb_columns",
        "duckdb_functions",
        "duckdb_tables",
        "duckdb_types",
        "duckdb_views",
        "pragma_table_info",
        "pragma_version",
    }
)
MAX_SQL_CHARS = 100_000


class RefusedError(Exception):
    """The query is none that may run; the text says why."""


def check_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Passes exactly one SELECT that only reads.

    Raises:
        RefusedError: It is something else.
        duckdb.Error: It cannot be parsed.
    """
    if len(sql) > MAX_SQL_CHARS:
        raise RefusedError(f"the query is longer than {MAX_SQL_CHARS} characters: shorten it")
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise RefusedError(f"only one SELECT is taken at a time, and here are {len(statements)} statements")
    kind = statements[0].type.name
    if kind != "SELECT":
        raise RefusedError(f"only a SELECT is taken, and this is {kind}: queries cannot change anything")
    _check_tree(_tree(connection, sql))


def check_condition(connection: duckdb.DuckDBPyConnection, condition: str) -> None:
    """Passes one SQL expression, such as stands after WHERE.

    It is parsed as `select CONDITION`; all but the selected expression must then be as in `select true`,
    so that nothing in it can end the expression and begin something else.

    Raises:
        RefusedError: It is more, or less, than an expression.
        duckdb.Error: It cannot be parsed.
    """
    if not condition.strip():
        raise RefusedError("the condition is empty: write one such as n_failed_calls > 0")
    sql = f"select {condition}"
    check_select(connection, sql)
    node, plain = (_only_node(_tree(connection, text)) for text in (sql, "select true"))
    selected = node.pop("select_list", [])
    plain.pop("select_list")
    if len(selected) != 1 or node != plain:
        raise RefusedError("the condition must be one SQL expression, such as stands after WHERE")


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    (text,) = connection.execute("select json_serialize_sql(?::varchar)", [sql]).fetchall()[0]
    try:
        tree: dict[str, Any] = json.loads(text)
    except RecursionError as error:
        raise RefusedError("the query is nested too deeply: simplify it") from error
    if tree.get("error"):
        raise RefusedError(str(tree.get("error_message", "the query cannot be read")))
    return tree


def _only_node(tree: dict[str, Any]) -> dict[str, Any]:
    node: dict[str, Any] = tree["statements"][0]["node"]
    return node


def _check_tree(tree: dict[str, Any]) -> None:
    for item in _dicts(tree):
        kind = item.get("type")
        if isinstance(kind, str) and kind.endswith("_NODE") and kind not in _READING_NODES:
            told = kind.removesuffix("_NODE").removesuffix("_QUERY")
            raise RefusedError(f"the query holds {told}: queries cannot change anything")
        if kind == "TABLE_FUNCTION":
            _check_table_function(item)


def _check_table_function(item: dict[str, Any]) -> None:
    function = item.get("function")
    name = function.get("function_name") if isinstance(function, dict) else None
    if not isinstance(name, str) or name.lower() not in _TABLE_FUNCTIONS:
        raise RefusedError(f"the table function {name} is not open to queries: they see the tables only")


def _dicts(tree: object) -> Iterator[dict[str, Any]]:
    """Every object of the tree, without recursion."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
