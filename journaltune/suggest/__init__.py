"""What a trial is to try: a pure function of what its ask could see. Nothing here writes."""
