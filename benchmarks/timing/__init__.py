"""The speed benchmark: the same work done by two naive pipelines and by the suite, timed in turn.

material.py says what the work is, cells.py what one row of the table asks for; notebook.py (N0),
fair.py (N1) and suite.py (ours) do it; turns.py times them, counts.py projects whole tables from
measured units, machine.py measures what the machine could do, roofline.py what share of it we reach
and feed.py what a step spends on its input, heads.py solves probes together and one by one;
spread.py, wording.py and table.py tell it.
"""
