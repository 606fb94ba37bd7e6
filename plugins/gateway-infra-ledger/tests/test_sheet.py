import csv
import io
import json

import pytest
from gateway_infra_ledger.sheet import Column, print_csv, print_json, print_table


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1"])
def test_no_cell_is_a_formula(formula):
    out = io.StringIO()
    print_csv(["name"], [{"name": formula}], out)
    (_, (cell,)) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert cell == "'" + formula.replace("\t", "\ufffd").replace("\r", "\ufffd")


def test_no_cell_becomes_two():
    out = io.StringIO()
    print_csv(["name"], [{"name": "a\r=1+1\nb"}], out)
    assert out.getvalue() == "name\na\ufffd=1+1\ufffdb\n"


def test_cells_of_every_kind():
    out = io.StringIO()
    row = {"a": None, "b": True, "c": False, "d": 7, "e": ["x", "y"], "f": ["=x"], "g": 'quo"te, comma'}
    print_csv(list(row), [row], out)
    assert out.getvalue() == 'a,b,c,d,e,f,g\n,true,false,7,x; y,\'=x,"quo""te, comma"\n'


@pytest.mark.parametrize("rows", [[], [{"a": 1}], [{"a": 1}, {"a": "é"}]])
def test_json_is_whole_however_many_rows_there_are(rows):
    out = io.StringIO()
    print_json("things", iter(rows), out)
    assert json.loads(out.getvalue()) == {"things": rows}


def test_a_table_shows_texts_as_they_are_and_moves_no_cursor(capsys):
    print_table(
        [Column("name"), Column("number", right=True, whole=True)], [["[red]x[/red]\x1b[2J", "7"]], ["all", "8"]
    )
    shown = capsys.readouterr().out
    assert "[red]x[/red]\ufffd[2J" in shown
    assert "\x1b" not in shown
    assert "all" in shown
