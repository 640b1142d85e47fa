"""What was measured, as tables, pages and plots: from saved rows to what a reader sees."""
