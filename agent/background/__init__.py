"""What runs beside a program's main work (`run_beside`)."""
