"""Make runs in the SQLite store of this folder: one by MLflow itself, the others as its copies.

It is executed with the Python that has MLflow: ``python mlflow_runs.py COUNT``. MLflow would need
minutes for ten thousand; so the rows of the one are copied, with another id, time and status.
"""

import contextlib
import importlib
import sqlite3
import sys

_VALUES = ("lr", "depth", "seed", "epochs", "model")
_METRICS = ("loss", "rmse", "r2", "mae", "auc")


def main() -> None:
    """Fill the store; every tenth run failed."""
    client = importlib.import_module("mlflow").MlflowClient()
    run_id = client.create_run(client.create_experiment("work")).info.run_id
    for name in _VALUES:
        client.log_param(run_id, name, "1")
    for name in _METRICS:
        client.log_metric(run_id, name, 0.5)
    client.set_terminated(run_id)
    with contextlib.closing(sqlite3.connect("mlflow.db")) as connection, connection:
        for table in ("runs", "params", "metrics", "latest_metrics", "tags"):
            _copy(connection, table, run_id, int(sys.argv[1]) - 1)


def _copy(connection: sqlite3.Connection, table: str, run_id: str, count: int) -> None:
    rows = connection.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", [run_id])  # noqa: S608 -- one of ours
    names = [column[0] for column in rows.description]
    templates = [dict(zip(names, row, strict=True)) for row in rows]

    def copies() -> "list[list[object]]":
        made = []
        for number in range(count):
            changed: dict[str, object] = {"run_uuid": f"{number:032x}"}
            if table == "runs":
                changed |= {"status": "FINISHED" if number % 10 else "FAILED",
                            "start_time": 1_700_000_000_000 + number * 60_000}  # fmt: skip
            made += [list({**row, **changed}.values()) for row in templates]
        return made

    places = ", ".join("?" * len(names))
    connection.executemany(f"INSERT INTO {table} VALUES ({places})", copies())  # noqa: S608 -- as above


if __name__ == "__main__":
    main()
