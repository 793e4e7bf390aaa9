"""What a local run shows: plain lines, live lines on a terminal, or one JSON object a line."""
