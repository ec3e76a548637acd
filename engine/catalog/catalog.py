"""The catalogue: trusted queries over a project's tables. What a user writes goes through engine.query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from engine.catalog.columns import TRAJECTORY_TABLES
from engine.catalog.filters import FACETS, TrajectoryFilter, condition
from engine.catalog.refresh import refresh
from engine.errors import InputError, StudioError, one_line
from engine.query.files import TableFiles, view_statements
from engine.store.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb
    import polars as pl

Params = Sequence[object]
T = TypeVar("T")
ANY = TrajectoryFilter()


class Catalog:
    """An in-memory DuckDB over the project's Parquet, a snapshot of when it was opened.

    Only the engine's own SQL runs here, with its values bound. Close it, or use it as a context manager.
    It may be used from several threads: each query has its own cursor.
    """

    def __init__(self, project: Project, files: TableFiles, connection: duckdb.DuckDBPyConnection) -> None:
        self._project = project
        self._files = files
        self._connection = connection

    @classmethod
    def open(cls, project: Project) -> Catalog:
        """The project's tables, brought up to date.

        Raises:
            StudioError: The tables cannot be written.
        """
        return cls(project, *_opened(project, anew=False))

    @property
    def files(self) -> TableFiles:
        """The parts that the tables are made of: what `engine.query` takes."""
        return self._files

    @property
    def problems(self) -> tuple[str, ...]:
        """Records that could not be read and are not in the tables, one line each."""
        return self._files.problems

    def close(self) -> None:
        """Lets the files go."""
        self._connection.close()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def rows(self, sql: str, params: Params = ()) -> list[dict[str, Any]]:
        """The rows of a trusted query, each by column name."""

        def fetch(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
            cursor.execute(sql, list(params))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        return self._run(fetch)

    def frame(self, sql: str, params: Params = ()) -> pl.DataFrame:
        """The rows of a trusted query as a Polars frame."""

        def fetch(cursor: duckdb.DuckDBPyConnection) -> pl.DataFrame:
            found: pl.DataFrame = cursor.sql(sql, params=list(params)).pl()
            return found

        return self._run(fetch)

    def count(self, wanted: TrajectoryFilter = ANY) -> int:
        """How many trajectories the filter leaves."""
        where = condition(wanted)
        found = self.rows(f"select count(*) as n from trajectories where {where.sql}", where.params)
        return int(found[0]["n"])

    def ids(self, wanted: TrajectoryFilter = ANY) -> list[str]:
        """The ids of the trajectories that the filter leaves, in order."""
        where = condition(wanted)
        sql = f"select trajectory_id from trajectories where {where.sql} order by trajectory_id"
        return [row["trajectory_id"] for row in self.rows(sql, where.params)]

    def page(
        self,
        wanted: TrajectoryFilter = ANY,
        *,
        sort: str = "created_at",
        descending: bool = True,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """One page of the trajectories table; ties are ordered by id.

        Raises:
            InputError: `sort` is no column of the table.
        """
        if sort not in TRAJECTORY_TABLES["trajectories"]:
            raise InputError(f"cannot sort by {one_line(sort, 60)!r}: it is no column of trajectories")
        where = condition(wanted)
        order = f"{sort} {'desc' if descending else 'asc'} nulls last, trajectory_id"
        sql = f"select * from trajectories where {where.sql} order by {order} limit ? offset ?"
        return self.rows(sql, [*where.params, limit, offset])

    def facets(self, wanted: TrajectoryFilter = ANY) -> dict[str, dict[Any, int]]:
        """How many trajectories each value of each facet has, most frequent first.

        Each facet is counted under the filter's other conditions, so that its other values stay in sight.
        A trajectory counts once for each of its domains.
        """
        if wanted.text:
            wanted = replace(
                wanted, ids=tuple(self.ids(TrajectoryFilter(text=wanted.text, ids=wanted.ids))), text=""
            )
        return {facet: self._facet(facet, wanted.without(facet)) for facet in FACETS}

    def _facet(self, facet: str, wanted: TrajectoryFilter) -> dict[Any, int]:
        counted, where = FACETS[facet], condition(wanted)
        value = f"unnest({counted.expression})" if counted.is_list else counted.expression
        sql = (
            f"select value, count(*) as n from (select {value} as value from trajectories "
            f"where {where.sql}) where value is not null group by value order by n desc, value"
        )
        return {row["value"]: row["n"] for row in self.rows(sql, where.params)}

    def _run(self, query: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """What the query gives; parts that were deleted or damaged since are made again."""
        import duckdb

        faults_of_the_query = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)
        for anew in (False, True):
            try:
                return self._once(query)
            except faults_of_the_query as error:
                raise StudioError(f"the catalogue cannot answer: {one_line(error)}") from error
            except duckdb.Error:
                self._reopen(anew=anew)
        try:
            return self._once(query)
        except duckdb.Error as error:
            raise StudioError(
                f"the tables of {self._project.root} cannot be read: {one_line(error)}: "
                f"delete {self._project.paths.tables} and try again"
            ) from error

    def _once(self, query: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        with self._connection.cursor() as cursor:
            return query(cursor)

    def _reopen(self, *, anew: bool) -> None:
        self._files, self._connection = _opened(self._project, anew=anew)


def _opened(project: Project, *, anew: bool) -> tuple[TableFiles, duckdb.DuckDBPyConnection]:
    """Tables and a connection to them; a part that cannot even be opened makes all be built again."""
    import duckdb

    files = refresh(project, anew=anew)
    try:
        return files, _connect(files)
    except duckdb.Error:
        files = refresh(project, anew=True)
        return files, _connect(files)


def _connect(files: TableFiles) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect()
    connection.execute("set python_enable_replacements = false")
    for statement in view_statements(files.parts):
        connection.execute(statement)
    return connection
