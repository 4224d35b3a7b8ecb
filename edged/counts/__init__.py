"""What cameras counted: kept on disk, told as it changes, asked for by day and hour."""
