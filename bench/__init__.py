"""Everything that measures: parity, step time, devices, report."""
