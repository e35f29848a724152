"""Who runs trials, and what becomes of them: in this process, in children, in other people's executors."""
