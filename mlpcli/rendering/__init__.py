"""Everything that people see: the only place that knows rich."""
